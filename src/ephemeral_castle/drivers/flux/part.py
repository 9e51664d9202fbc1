"""What all parts of the driver share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ephemeral_castle.drivers.flux import components, sync
from ephemeral_castle.drivers.flux.address import Reached, reached
from ephemeral_castle.drivers.flux.components import Components
from ephemeral_castle.drivers.flux.options import FluxOptions
from ephemeral_castle.drivers.flux.vocabulary import LAYER, LIFE, OWN
from ephemeral_castle.model.castle import Repository
from ephemeral_castle.spi import marks, part
from ephemeral_castle.spi.checkout import Checkout, source_of
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.kubernetes import Cluster
from ephemeral_castle.spi.onward import onward
from ephemeral_castle.spi.pinned import BUNDLE
from ephemeral_castle.spi.world import File, Source


@dataclass
class Desk:
    """What one layer remembers while a runner lives: the repository's files, and Flux as they make it."""

    checkout: Checkout = field(default_factory=Checkout)
    components: dict[tuple[str, str], Components] = field(default_factory=dict)


class Part(part.Part[FluxOptions]):
    """One action of the driver on one step."""

    def __init__(self, ctx: Context, desk: Desk) -> None:
        super().__init__(ctx)
        self.desk = desk

    async def cluster(self) -> Cluster:
        """Of the life that this run raises or works on."""
        return await self.ctx.cluster()

    @property
    def repository(self) -> Repository:
        """Of the definition. Raises Permanent where it names none."""
        found = self.ctx.request.castle.repository if self.source else None
        if found is None:
            raise AssertionError("a source is made from what the definition names")
        return found

    @property
    def source(self) -> Source:
        """The castle's repository. Raises Permanent where the definition names none."""
        return source_of(self.ctx, "is what Flux makes of one")

    def reached(self) -> Reached:
        """The repository as the cluster reaches it."""
        world = self.ctx.world
        reach = self.ctx.request.site.reach
        return reached(self.repository, self.options.repository_url, reach, lambda: world.enclosure.gateway)

    async def files(self, sha: str, folder: str) -> Mapping[str, File]:
        """The files of a directory at a commit; read once."""
        return await self.desk.checkout.files(self.source, sha, folder)

    async def components(self, sha: str) -> Components:
        """CRDs and controllers at a commit, read once."""
        key = (sha, self.options.parts)
        if key not in self.desk.components:
            self.desk.components[key] = components.read(await self.files(*key), self.options.parts)
        return self.desk.components[key]

    def wanted(self, *, pinned: bool = True) -> sync.Wanted:
        """What Flux is to apply, as this run resolved it."""
        known = self.facts("source")
        return sync.Wanted(
            url=str(known["url"]),
            sha=str(known["sha"]),
            name=str(known["name"]),
            secret=str(known["secret"]),
            pinned=pinned,
            lent=known["from"] == BUNDLE,
        )

    def labels(self) -> dict[str, str]:
        """Marks of what castle makes in the cluster."""
        return {OWN: marks.own(self.ctx), LIFE: str(self.ctx.life), LAYER: self.layer}


def mending(ctx: Context) -> str:
    """What a person does when the repository itself is at fault."""
    return f"mend and push it, then `{onward(ctx)}`"

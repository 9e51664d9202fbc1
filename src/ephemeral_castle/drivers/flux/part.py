"""What all parts of the driver share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ephemeral_castle.drivers.flux import components, sync
from ephemeral_castle.drivers.flux.address import Reached, reached
from ephemeral_castle.drivers.flux.components import Components
from ephemeral_castle.drivers.flux.options import FluxOptions
from ephemeral_castle.drivers.flux.vocabulary import LAYER, LIFE, OWN
from ephemeral_castle.errors import NotFound, Permanent
from ephemeral_castle.model.castle import Repository
from ephemeral_castle.model.step import Observation, State
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.kubernetes import Cluster
from ephemeral_castle.spi.onward import onward
from ephemeral_castle.spi.world import File, Source

BUNDLE = "bundle"  # `Revision.source` of a commit from the copy in the treasury
REACHED, NOT_REACHED = State.REACHED, State.NOT_REACHED


@dataclass
class Desk:
    """What one layer remembers while a runner lives. `files`: of a directory at a commit."""

    files: dict[tuple[str, str], Mapping[str, File]] = field(default_factory=dict)
    components: dict[tuple[str, str], Components] = field(default_factory=dict)


class Part:
    """One action of the driver on one step. `observe` never changes anything."""

    def __init__(self, ctx: Context, desk: Desk) -> None:
        self.ctx = ctx
        self.desk = desk
        self.options: FluxOptions = ctx.options
        self.layer = ctx.layer.id

    async def observe(self) -> Observation:
        """Relative to the step's goal."""
        return Observation(NOT_REACHED)

    async def act(self) -> Observation | None:
        """Does it."""
        return None

    async def undo(self) -> str:
        """Takes it back."""
        return "nothing to undo"

    def facts(self, action: str) -> Mapping[str, Any]:
        """Facts of another step of this layer."""
        return self.ctx.facts(f"{self.layer}.{action}")

    async def cluster(self) -> Cluster:
        """Of the life that this run raises or works on."""
        return await self.ctx.cluster()

    @property
    def repository(self) -> Repository:
        """Of the definition. Raises Permanent where it names none."""
        found = self.ctx.request.castle.repository
        if found is None or self.ctx.world.source is None:
            raise Permanent(
                "this castle has no repository",
                why=f"layer `{self.layer}` is what Flux makes of one",
                state="nothing was changed",
                hints=["add `repository: {url: ..., ref: main}` to the definition", "castle plan"],
            )
        return found

    @property
    def source(self) -> Source:
        """The castle's repository. Raises Permanent where the definition names none."""
        source = self.ctx.world.source if self.repository else None
        if source is None:
            raise AssertionError("`repository` has said so already")
        return source

    def reached(self) -> Reached:
        """The repository as the cluster reaches it."""
        world = self.ctx.world
        reach = self.ctx.request.site.reach
        return reached(self.repository, self.options.repository_url, reach, lambda: world.enclosure.gateway)

    async def files(self, sha: str, folder: str) -> Mapping[str, File]:
        """The files of a directory at a commit; read once."""
        key = (sha, folder)
        if key not in self.desk.files:
            try:
                self.desk.files[key] = await self.source.read(sha, folder)
            except NotFound:  # another computer's runner resolved it, or the cache was cleared: fetch it again
                await self.source.resolve(sha)
                self.desk.files[key] = await self.source.read(sha, folder)
        return self.desk.files[key]

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

"""What all parts of the driver share."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from ephemeral_castle.drivers.compose import reading
from ephemeral_castle.drivers.compose.machines import kept_on, machines_of
from ephemeral_castle.drivers.compose.options import ComposeOptions
from ephemeral_castle.drivers.compose.reading import Reading, Wanted
from ephemeral_castle.model.castle import Layer, Role
from ephemeral_castle.spi import part
from ephemeral_castle.spi.checkout import Checkout, source_of
from ephemeral_castle.spi.driver import Context, Request
from ephemeral_castle.spi.onward import onward
from ephemeral_castle.spi.world import File, Source


@dataclass
class Desk:
    """What one layer remembers while a runner lives.

    Attributes:
        checkout: the repository's files.
        has_tool: machines that have podman-compose since their last start, as they said themselves.
        well: machines whose services were all seen running and healthy, by when that was (monotonic seconds).
    """

    checkout: Checkout = field(default_factory=Checkout)
    has_tool: set[str] = field(default_factory=set)
    well: dict[str, float] = field(default_factory=dict)


class Part(part.Part[ComposeOptions]):
    """One action of the driver on one step, or on one machine of it."""

    def __init__(self, ctx: Context, desk: Desk, machine: str = "") -> None:
        super().__init__(ctx)
        self.desk = desk
        self.name = machine

    @property
    def source(self) -> Source:
        """The castle's repository. Raises Permanent where the definition names none."""
        return source_of(self.ctx, "reads its projects from one")

    async def files(self, sha: str, folder: str) -> Mapping[str, File]:
        """The files of a directory at a commit; read once."""
        return await self.desk.checkout.files(self.source, sha, folder)

    def wanted(self, machine: str) -> Wanted:
        """What the layer says about the project of a machine."""
        return Wanted(
            layer=self.layer,
            machine=machine,
            folder=self.options.projects[machine],
            secrets=self.options.secrets,
            accepted=tuple(self.options.accept_environment),
            offered=offered(self.ctx.layer, self.ctx.request),
            kept=kept_on(self.ctx.request, machine),
            lost=tuple(self.options.accept_loss),
        )

    async def read(self, machine: str, sha: str, values: Mapping[str, str] | None = None) -> Reading:
        """The project of a machine at a commit."""
        return reading.read(self.wanted(machine), await self.files(sha, self.options.projects[machine]), values)

    async def readings(self, sha: str) -> dict[str, Reading]:
        """Of every machine."""
        machines = list(self.options.projects)
        found = await asyncio.gather(*(self.read(machine, sha) for machine in machines))
        return dict(zip(machines, found, strict=True))


def mending(ctx: Context) -> str:
    """What a person does when the project itself is at fault."""
    return f"mend and push the project, then `{onward(ctx)}`"


def variable(prefix: str, name: str, suffix: str = "") -> str:
    """`CASTLE_ADDRESS_DATA` of "data"."""
    return f"CASTLE_{prefix}{name.upper().replace('-', '_')}{suffix}"


def offered(layer: Layer, request: Request) -> tuple[str, ...]:
    """Names that castle gives Compose files: of castle, life and machine, addresses, and where needed layers answer."""
    grounds = {each.id for each in request.site.layers if each.role is Role.GROUND}
    ends = [need for need in layer.needs if need not in grounds]
    return (
        "CASTLE_NAME", "CASTLE_LIFE", "CASTLE_MACHINE",
        *(variable("ADDRESS_", name) for name in machines_of(request)),
        *(variable("", need, suffix) for need in ends for suffix in ("_HOST", "_PORT")),
    )  # fmt: skip

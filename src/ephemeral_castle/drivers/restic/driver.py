"""Driver `restic`: hands each step to the part that knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ephemeral_castle.drivers.restic import steps
from ephemeral_castle.drivers.restic.image import RESTIC
from ephemeral_castle.drivers.restic.look import look
from ephemeral_castle.drivers.restic.options import ResticOptions
from ephemeral_castle.drivers.restic.part import Desk
from ephemeral_castle.model.castle import Layer
from ephemeral_castle.model.step import Observation, Step
from ephemeral_castle.spi.driver import Context, Request
from ephemeral_castle.spi.world import Rights

if TYPE_CHECKING:
    from ephemeral_castle.drivers.restic.part import Part


class ResticDriver:
    """The files of a podman volume, in a restic repository in the treasury."""

    name = "restic"
    Options: Any = ResticOptions
    recipes = (RESTIC,)

    def __init__(self) -> None:
        self.desks: dict[str, Desk] = {}

    def plan(self, layer: Layer, options: ResticOptions, request: Request, /) -> Sequence[Step]:
        """See `steps.plan`."""
        return steps.plan(layer, options, request)

    def rights(self, layer: Layer, /) -> Rights:
        """Its repository. restic takes back its locks, and nothing else: snapshots go by the keeper alone."""
        return Rights((f"restic/{layer.id}",), (f"restic/{layer.id}/locks/*",))

    async def observe(self, step: Step, ctx: Context, /) -> Observation:
        """Looks; changes nothing."""
        return await self._part(step, ctx).observe()

    async def act(self, step: Step, ctx: Context, /) -> Observation | None:
        """Does it."""
        return await self._part(step, ctx).act()

    async def look(self, ctx: Context, /) -> Mapping[str, Any]:
        """For `castle status`."""
        return await look(ctx)

    async def settled(self, ctx: Context, /) -> str:
        """Whether the volume is the one that castle brought home."""
        from ephemeral_castle.drivers.restic.settled import settled

        return await settled(ctx)

    async def close(self) -> None:
        """Removes the containers for proofs."""
        for desk in self.desks.values():
            await desk.close()

    def _part(self, step: Step, ctx: Context) -> Part:
        from ephemeral_castle.drivers.restic.parts import PARTS  # a plan or a look needs none of them

        return PARTS[step.action](ctx, self.desks.setdefault(ctx.layer.id, Desk()))

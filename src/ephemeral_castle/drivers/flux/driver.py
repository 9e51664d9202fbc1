"""Driver `flux`: hands each step to the part that knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ephemeral_castle.drivers.flux import steps
from ephemeral_castle.drivers.flux.options import FluxOptions
from ephemeral_castle.model.castle import Layer
from ephemeral_castle.model.step import Observation, Step
from ephemeral_castle.spi.claims import Claim
from ephemeral_castle.spi.driver import Context, Request

if TYPE_CHECKING:
    from ephemeral_castle.drivers.flux.part import Desk, Part


class FluxDriver:
    """The castle's Git repository, applied to the cluster by Flux' own controllers."""

    name = "flux"
    Options: Any = FluxOptions

    def __init__(self) -> None:
        self.desks: dict[str, Desk] = {}

    def plan(self, layer: Layer, options: FluxOptions, request: Request, /) -> Sequence[Step]:
        """See `steps.plan`."""
        return steps.plan(layer, options, request)

    def claims(self, layer: Layer, options: FluxOptions, request: Request, /) -> Sequence[Claim]:
        """See `claims.wanted`."""
        from ephemeral_castle.drivers.flux.claims import wanted

        return wanted(options, request)

    async def observe(self, step: Step, ctx: Context, /) -> Observation:
        """Looks."""
        return await self._part(step, ctx).observe()

    async def act(self, step: Step, ctx: Context, /) -> Observation | None:
        """Does it."""
        return await self._part(step, ctx).act()

    async def undo(self, step: Step, ctx: Context, /) -> str:
        """Wakes what was put to rest."""
        return await self._part(step, ctx).undo()

    async def look(self, ctx: Context, /) -> Mapping[str, Any]:
        """For `castle status`."""
        from ephemeral_castle.drivers.flux.look import look

        return await look(ctx, self._desk(ctx))

    async def settled(self, ctx: Context, /) -> str:
        """Whether the newest revision is applied, and every unit ready."""
        from ephemeral_castle.drivers.flux.settled import settled

        return await settled(ctx, self._desk(ctx))

    def _desk(self, ctx: Context) -> Desk:
        from ephemeral_castle.drivers.flux.part import Desk

        return self.desks.setdefault(ctx.layer.id, Desk())

    def _part(self, step: Step, ctx: Context) -> Part:
        from ephemeral_castle.drivers.flux.parts import PARTS  # a plan or a look needs none of them

        return PARTS[step.action](ctx, self._desk(ctx))

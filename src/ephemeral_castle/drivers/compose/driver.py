"""Driver `compose`: hands each step to the part that knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.compose import steps
from ephemeral_castle.drivers.compose.options import ComposeOptions
from ephemeral_castle.model.castle import Layer
from ephemeral_castle.model.step import Observation, Step
from ephemeral_castle.spi.driver import Context, Request
from ephemeral_castle.spi.world import Recipe, Source


class ComposeDriver:
    """Compose projects of the castle's repository, run on the machines by podman-compose."""

    name = "compose"
    Options: Any = ComposeOptions

    def __init__(self) -> None:
        self.desks: dict[str, Any] = {}

    def plan(self, layer: Layer, options: ComposeOptions, request: Request, /) -> Sequence[Step]:
        """See `steps.plan`."""
        return steps.plan(layer, options, request)

    async def observe(self, step: Step, ctx: Context, /) -> Observation:
        """Looks."""
        found: Observation = await self._part(step, ctx).observe()
        return found

    async def act(self, step: Step, ctx: Context, /) -> Observation | None:
        """Does it."""
        found: Observation | None = await self._part(step, ctx).act()
        return found

    async def undo(self, step: Step, ctx: Context, /) -> str:
        """Starts what was stilled."""
        told: str = await self._part(step, ctx).undo()
        return told

    async def look(self, ctx: Context, /) -> Mapping[str, Any]:
        """For `castle status`."""
        from ephemeral_castle.drivers.compose.look import look

        return await look(ctx)

    async def settled(self, ctx: Context, /) -> str:
        """Whether the newest revision runs as it was handed over, and is well."""
        from ephemeral_castle.drivers.compose.part import Desk
        from ephemeral_castle.drivers.compose.settled import settled

        return await settled(ctx, self.desks.setdefault(ctx.layer.id, Desk()))

    async def images_of(
        self, layer: Layer, options: ComposeOptions, source: Source | None, /
    ) -> tuple[Sequence[Recipe], Sequence[str]]:
        """For `castle prefetch`."""
        from ephemeral_castle.drivers.compose.images import ahead

        return await ahead(layer, options, source)

    def _part(self, step: Step, ctx: Context) -> Any:
        from ephemeral_castle.drivers.compose.again import Again
        from ephemeral_castle.drivers.compose.healthy import Healthy
        from ephemeral_castle.drivers.compose.images import Images
        from ephemeral_castle.drivers.compose.part import Desk
        from ephemeral_castle.drivers.compose.source import Source
        from ephemeral_castle.drivers.compose.still import Still
        from ephemeral_castle.drivers.compose.up import Up

        parts: dict[str, Any] = {"source": Source, "images": Images, "still": Still, "again": Again}
        parts |= {"up": Up, "healthy": Healthy}
        part = parts[step.action.split("-")[0]]
        return part(ctx, self.desks.setdefault(ctx.layer.id, Desk()), str(step.params.get("machine", "")))

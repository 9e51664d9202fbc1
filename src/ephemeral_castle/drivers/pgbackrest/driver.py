"""Driver `pgbackrest`: hands each step to the part that knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ephemeral_castle.drivers.pgbackrest import steps
from ephemeral_castle.drivers.pgbackrest.options import PgbackrestOptions
from ephemeral_castle.model.castle import Layer
from ephemeral_castle.model.step import Observation, Step
from ephemeral_castle.spi.claims import Claim
from ephemeral_castle.spi.driver import Context, Request

if TYPE_CHECKING:
    from ephemeral_castle.drivers.pgbackrest.part import Part


class PgbackrestDriver:
    """A database that an operator runs: its return is rehearsed from its own repository."""

    name = steps.NAME
    Options: Any = PgbackrestOptions
    rehearses_unrecorded = True  # what a drill restores lies in the database's own repository, not in the treasury

    def plan(self, layer: Layer, options: PgbackrestOptions, request: Request, /) -> Sequence[Step]:
        """See `steps.plan`."""
        return steps.plan(layer, options, request)

    def claims(self, layer: Layer, options: PgbackrestOptions, request: Request, /) -> Sequence[Claim]:
        """See `claims.wanted`."""
        from ephemeral_castle.drivers.pgbackrest.claims import wanted

        return wanted(layer, options, request)

    async def observe(self, step: Step, ctx: Context, /) -> Observation:
        """Looks."""
        return await self._part(step, ctx).observe()

    async def act(self, step: Step, ctx: Context, /) -> Observation | None:
        """Does it."""
        return await self._part(step, ctx).act()

    async def undo(self, step: Step, ctx: Context, /) -> str:
        """Removes what the drill made."""
        return await self._part(step, ctx).undo()

    async def look(self, ctx: Context, /) -> Mapping[str, Any]:
        """For `castle status`."""
        from ephemeral_castle.drivers.pgbackrest.look import look

        return await look(ctx)

    def _part(self, step: Step, ctx: Context) -> Part:
        from ephemeral_castle.drivers.pgbackrest.part import Look
        from ephemeral_castle.drivers.pgbackrest.reading import Read
        from ephemeral_castle.drivers.pgbackrest.room import Remove, Restore

        parts: dict[str, type[Part]] = {"look": Look, "restore": Restore, "read": Read, "remove": Remove}
        return parts[step.action](ctx)

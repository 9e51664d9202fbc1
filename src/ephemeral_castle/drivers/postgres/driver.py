"""Driver `postgres`: hands each step to the part that knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.postgres import steps
from ephemeral_castle.drivers.postgres.desk import Desk
from ephemeral_castle.drivers.postgres.image import POSTGRES
from ephemeral_castle.drivers.postgres.look import look
from ephemeral_castle.drivers.postgres.options import PostgresOptions
from ephemeral_castle.drivers.postgres.parts import PARTS
from ephemeral_castle.model.castle import Layer
from ephemeral_castle.model.step import Observation, Step
from ephemeral_castle.spi.driver import Context, Request


class PostgresDriver:
    """PostgreSQL with pgBackRest and PgBouncer, in containers on two machines."""

    name = "postgres"
    Options: Any = PostgresOptions
    recipes = (POSTGRES,)

    def __init__(self) -> None:
        self.desks: dict[str, Desk] = {}

    def plan(self, layer: Layer, options: PostgresOptions, request: Request, /) -> Sequence[Step]:
        """See `steps.plan`."""
        return steps.plan(layer, options, request)

    async def observe(self, step: Step, ctx: Context, /) -> Observation:
        """Looks, through the sessions that the run keeps open."""
        return await PARTS[step.action](ctx, self._desk(ctx)).observe()

    async def act(self, step: Step, ctx: Context, /) -> Observation | None:
        """Does it."""
        return await PARTS[step.action](ctx, self._desk(ctx)).act()

    async def undo(self, step: Step, ctx: Context, /) -> str:
        """Takes the fence or the stop back. A killed runner's container for proofs is known here, and so is ended."""
        part = PARTS[step.action](ctx, self._desk(ctx))
        part.outside()
        return await part.undo()

    async def look(self, ctx: Context, /) -> Mapping[str, Any]:
        """For `castle status`."""
        return await look(ctx, self._desk(ctx))

    async def close(self) -> None:
        """Ends sessions and the container for proofs."""
        for desk in self.desks.values():
            await desk.close()

    def _desk(self, ctx: Context) -> Desk:
        return self.desks.setdefault(ctx.layer.id, Desk())

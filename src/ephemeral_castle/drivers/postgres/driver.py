"""Driver `postgres`: hands each step to the part that knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ephemeral_castle.drivers.postgres import steps
from ephemeral_castle.drivers.postgres.desk import Desk
from ephemeral_castle.drivers.postgres.image import POSTGRES
from ephemeral_castle.drivers.postgres.layout import layout_for
from ephemeral_castle.drivers.postgres.look import look
from ephemeral_castle.drivers.postgres.options import PostgresOptions
from ephemeral_castle.drivers.postgres.whereabouts import folder
from ephemeral_castle.model.castle import Layer
from ephemeral_castle.model.step import Observation, Step
from ephemeral_castle.spi.claims import Claim
from ephemeral_castle.spi.driver import Context, Request
from ephemeral_castle.spi.world import Rights

if TYPE_CHECKING:
    from ephemeral_castle.drivers.postgres.part import Part


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

    def reads(self, layer: Layer, options: PostgresOptions, request: Request, /) -> Mapping[str, str]:
        """The init SQL, which a first birth reads."""
        files = [database.init for database in options.databases.values() if database.init]
        born = request.new and request.verb in steps.RAISING
        return {file: f"{layer.id}.home" for file in files if born}

    def rights(self, layer: Layer, /) -> Rights:
        """Backups and archive of its stanza. pgBackRest deletes `latest` and a manifest's copy to write them anew."""
        base = folder(layer)
        stanza = layout_for(layer.driver).stanza
        backups = f"{base}/backup/{stanza}"
        replaced = (f"{backups}/latest", f"{backups}/*/backup.manifest.copy")
        return Rights((backups, f"{base}/archive/{stanza}"), replaced)

    def claims(self, layer: Layer, options: PostgresOptions, request: Request, /) -> Sequence[Claim]:
        """See `claims.wanted`."""
        from ephemeral_castle.drivers.postgres.claims import wanted

        return wanted(options, request)

    async def observe(self, step: Step, ctx: Context, /) -> Observation:
        """Looks, through the sessions that the run keeps open."""
        return await self._part(step, ctx).observe()

    async def act(self, step: Step, ctx: Context, /) -> Observation | None:
        """Does it."""
        return await self._part(step, ctx).act()

    async def undo(self, step: Step, ctx: Context, /) -> str:
        """Takes the fence or the stop back. A killed runner's container for proofs is known here, and so is ended."""
        part = self._part(step, ctx)
        part.outside()
        return await part.undo()

    async def look(self, ctx: Context, /) -> Mapping[str, Any]:
        """For `castle status`."""
        return await look(ctx, self._desk(ctx))

    async def settled(self, ctx: Context, /) -> str:
        """Whether server, PgBouncer and users are as a raise would leave them."""
        from ephemeral_castle.drivers.postgres.settled import settled

        return await settled(ctx, self._desk(ctx))

    async def close(self) -> None:
        """Ends sessions and the container for proofs."""
        for desk in self.desks.values():
            await desk.close()

    def _part(self, step: Step, ctx: Context) -> Part:
        from ephemeral_castle.drivers.postgres.parts import PARTS  # all parts: 20 ms, and a plan or a look needs none

        return PARTS[step.action](ctx, self._desk(ctx))

    def _desk(self, ctx: Context) -> Desk:
        return self.desks.setdefault(ctx.layer.id, Desk())

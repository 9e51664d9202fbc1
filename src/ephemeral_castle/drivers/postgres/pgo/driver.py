"""Driver `pgo`: hands each step to the part that knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ephemeral_castle.drivers.postgres.driver import PostgresDriver
from ephemeral_castle.drivers.postgres.pgo import steps
from ephemeral_castle.drivers.postgres.pgo.layout import RECIPE
from ephemeral_castle.drivers.postgres.pgo.options import PgoOptions
from ephemeral_castle.drivers.postgres.steps import RAISING
from ephemeral_castle.model.castle import Layer
from ephemeral_castle.model.step import Step
from ephemeral_castle.spi.claims import Claim
from ephemeral_castle.spi.driver import Check, Context, Request

if TYPE_CHECKING:
    from ephemeral_castle.drivers.postgres.part import Part


class PgoDriver(PostgresDriver):
    """PostgreSQL that CrunchyData's operator runs: castle decides, locks, follows, proves, fences and seals."""

    name = "pgo"
    Options: Any = PgoOptions
    recipes = (RECIPE,)

    def plan(self, layer: Layer, options: Any, request: Request, /) -> Sequence[Step]:
        """See `steps.plan`."""
        return steps.plan(layer, options, request)

    def claims(self, layer: Layer, options: Any, request: Request, /) -> Sequence[Claim]:
        """See `claims.wanted`."""
        from ephemeral_castle.drivers.postgres.pgo.claims import wanted

        return wanted(options, request)

    def reads(self, layer: Layer, options: Any, request: Request, /) -> Mapping[str, str]:
        """The init SQL, which a first birth reads."""
        files = [database.init for database in options.databases.values() if database.init]
        born = request.new and request.verb in RAISING
        return {file: f"{layer.id}.home" for file in files if born}

    async def settled(self, ctx: Context, /) -> str:
        """Whether server, PgBouncer and users are as a raise would leave them."""
        from ephemeral_castle.drivers.postgres.pgo.settled import settled

        return await settled(ctx, self._desk(ctx))

    async def doctor(self, ctx: Context, wanted: Sequence[Claim], /) -> Sequence[Check]:
        """See `examining.examine`; rights are looked at by the layer that knows the cluster."""
        from ephemeral_castle.drivers.postgres.pgo.examining import examine

        return await examine(ctx, self._desk(ctx))

    def _part(self, step: Step, ctx: Context) -> Part:
        from ephemeral_castle.drivers.postgres.pgo.parts import PARTS  # a plan or a look needs none of them

        part: Part = PARTS[step.action](ctx, self._desk(ctx))
        return part

"""Which place a database has: by the options, and for a life that stands as it was raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ephemeral_castle.drivers.postgres.layout import OPERATED
from ephemeral_castle.drivers.postgres.machine import MachinePlace

if TYPE_CHECKING:
    from ephemeral_castle.drivers.postgres.place import Place, Rewindable
    from ephemeral_castle.spi.driver import Context


def place_of(ctx: Context, *, old: bool = False) -> Place:
    """Database and pooler of one `postgres` layer in one life.

    Args:
        ctx: of any step of the layer.
        old: those of the life that this run ends, which are looked for where that was raised: a definition may have
            moved the database since.
    """
    if ctx.layer.driver == OPERATED:
        from ephemeral_castle.drivers.postgres.pgo.place import PgoPlace  # a database without an operator needs none

        return PgoPlace(ctx, old=old)
    return rewindable(ctx, old=old)


def rewindable(ctx: Context, *, old: bool = False) -> Rewindable:
    """The same of a database without an operator."""
    known = ctx.record.lineage.get(ctx.layer.id, {}) if old else {}
    if known.get("namespace") or (ctx.options.namespace and not known.get("machine")):
        from ephemeral_castle.drivers.postgres.pod import PodPlace  # a database on machines needs none of it

        return PodPlace(ctx, old=old)
    return MachinePlace(ctx, old=old)

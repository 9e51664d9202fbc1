"""What `--cold` means: an image leaves the store before it is needed again, so that it is built from nothing."""

from __future__ import annotations

from ephemeral_castle.errors import Conflict
from ephemeral_castle.model.step import Observation, State
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.world import Recipe


async def see_dropped(ctx: Context, recipe: Recipe) -> Observation:
    """Whether the store has it no more."""
    there = await ctx.world.images.present(recipe)
    return Observation(State.NOT_REACHED if there else State.REACHED, "it is in the store" if there else "not stored")


async def drop(ctx: Context, recipe: Recipe) -> Observation:
    """Drops it. What stands on it, of this castle or of another, is worth more than a cold start: then it stays."""
    try:
        await ctx.world.images.drop(recipe)
    except Conflict as error:
        ctx.diagnostic("warning", f"{error}: {error.why}; it was kept, so this run is not quite cold")
        return Observation(State.REACHED, waived=f"{error}: {error.why}")
    return Observation(State.REACHED, "dropped")

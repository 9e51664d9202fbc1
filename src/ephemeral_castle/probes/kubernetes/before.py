"""The standing cluster, ahead of a rebirth: would the next life stand still where this one does?"""

from __future__ import annotations

from ephemeral_castle.errors import CastleError, Refused
from ephemeral_castle.model.step import Observation, State
from ephemeral_castle.probes.kubernetes import tried
from ephemeral_castle.spi.driver import Context


async def before(ctx: Context) -> Observation:
    """One look. A cluster that cannot be seen is no reason to stop: it may be what the rebirth is for.

    Raises:
        Refused: a claim would get no volume, or a webhook lets no change pass. Both come from the repository, as they
            would in the next life.
    """
    try:
        cluster = await ctx.cluster(old=True)
        wrong = await tried.classes(cluster) if ctx.options.claim else ""
        key = "claim" if wrong else "webhooks"
        if not wrong and ctx.options.webhooks:
            wrong = await tried.changes(cluster)
    except CastleError as error:
        return Observation(State.REACHED, f"not seen ({error.message}); it is tried in the new life")
    if not wrong:
        return Observation(State.REACHED, "both would do" if ctx.options.claim else "no webhook stands in the way")
    raise Refused(
        "the next life would stand still where this one does",
        where=f"the standing cluster, layer `{ctx.layer.id}`",
        why=wrong,
        state="nothing was changed",
        hints=[
            "mend it in the repository, push, and wait until Flux has applied it",
            f"or set `{key}: false` in the layer, to go on without this look",
            "castle rebirth",
        ],
    )

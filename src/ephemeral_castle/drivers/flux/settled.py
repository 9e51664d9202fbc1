"""Whether a raise would change anything of Flux."""

from __future__ import annotations

import asyncio

from ephemeral_castle.drivers.flux.first import First
from ephemeral_castle.drivers.flux.follow import Units
from ephemeral_castle.drivers.flux.install import Install
from ephemeral_castle.drivers.flux.part import Desk, Part
from ephemeral_castle.drivers.flux.root import Root
from ephemeral_castle.drivers.flux.values import Endpoints
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.part import REACHED
from ephemeral_castle.spi.pinned import BUNDLE

JUDGES: tuple[type[Part], ...] = (Install, First, Endpoints, Units)


async def settled(ctx: Context, desk: Desk) -> str:
    """Why it would, or ""; see `spi.driver.Settling`.

    The commit that was raised is only compared with what the branch means now. All else is judged as by the steps that
    a raise would make.
    """
    looks = asyncio.gather(*(kind(ctx, desk).observe() for kind in JUDGES))
    why, seen = await asyncio.gather(_revision(ctx, desk), looks)
    if why:
        return why
    unmet = [each for each in seen if each.state is not REACHED]
    if unmet:
        return unmet[0].detail
    return await _told(ctx, desk)


async def _revision(ctx: Context, desk: Desk) -> str:
    part = Part(ctx, desk)
    sha = str(part.facts("source").get("sha", ""))
    revision = await part.source.resolve(part.options.ref)
    if revision.source == BUNDLE:
        return "the repository does not answer"
    if part.facts("source").get("from") == BUNDLE:
        return "the repository answers again"
    if revision.sha != sha:
        return f"`{revision.wanted}` is commit {revision.sha[:12]} now"
    if revision.notes:
        return revision.notes[0]
    return "" if await part.source.is_kept(sha) else f"the treasury has no copy of commit {sha[:12]}"


async def _told(ctx: Context, desk: Desk) -> str:
    """What Flux is told: with the commit, or, as at the end of a raise, without."""
    why = ""
    for pinned in (True, False):
        part = Root(ctx, desk)
        part.pinned = pinned
        seen = await part.observe()
        if seen.state is REACHED:
            return ""
        why = seen.detail
    return why

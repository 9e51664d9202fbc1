"""Whether a raise would change anything of the services."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.compose import errand
from ephemeral_castle.drivers.compose.images import Images
from ephemeral_castle.drivers.compose.living import Unmade
from ephemeral_castle.drivers.compose.part import Desk, Part
from ephemeral_castle.drivers.compose.up import Up
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.part import REACHED


async def settled(ctx: Context, desk: Desk) -> str:
    """Why it would, or ""; see `spi.driver.Settling`.

    The commit that was raised is only compared with what the branch means now. What each machine was handed is then
    judged as by the step that a raise would begin with: files, secrets and images, by one digest. Machines are asked
    while the repository is.
    """
    names = list(ctx.options.projects)
    why, *seen = await asyncio.gather(_revision(ctx, desk), *(_see(ctx, name) for name in names))
    if why:
        return str(why)
    judged = (_machine(ctx, desk, name, each) for name, each in zip(names, seen, strict=True))
    return next(filter(None, await asyncio.gather(*judged)), "")


async def _see(ctx: Context, name: str) -> dict[str, Any]:
    request = {"tool": errand.tool()[0], "check": True}
    return await errand.send(await ctx.machine(name), "see", ctx.layer.id, request)


async def _revision(ctx: Context, desk: Desk) -> str:
    """The commit and the images that it asks for."""
    part = Part(ctx, desk)
    sha = str(part.facts("source").get("sha", ""))
    revision = await part.source.resolve(part.options.ref)
    if revision.source == "bundle":
        return "the repository does not answer"
    if revision.sha != sha:
        return f"`{revision.wanted}` is commit {revision.sha[:12]} now"
    if revision.notes:
        return revision.notes[0]
    if not await part.source.is_kept(sha):
        return f"the treasury has no copy of commit {sha[:12]}"
    return await _images(ctx, desk)


async def _images(ctx: Context, desk: Desk) -> str:
    part = Images(ctx, desk)
    seen = await part.observe()
    if seen.state is not REACHED:
        return seen.detail
    same = seen.facts["images"] == part.facts("images").get("images")
    return "" if same else "an image is another one now"


async def _machine(ctx: Context, desk: Desk, name: str, seen: Mapping[str, Any]) -> str:
    desk.well.pop(name, None)
    part, machine = Up(ctx, desk, name), await ctx.machine(name)
    try:
        parcel = await part.parcel(machine, make=False)
    except Unmade as unmade:
        return f"{name}: the secret `{unmade}` is still to be made"
    found = part.judged(parcel, machine, parcel.request(errand.tool()[0]), seen)
    if found.state is not REACHED:
        return f"{name}: {found.detail}"
    return "" if name in desk.well else f"{name}: a service is not well"

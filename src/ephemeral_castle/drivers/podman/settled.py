"""Whether a raise would change anything of the machines."""

from __future__ import annotations

from collections.abc import MutableMapping

from ephemeral_castle.drivers.podman.fleet import Fleet
from ephemeral_castle.drivers.podman.images import recipe_of
from ephemeral_castle.drivers.podman.within import Within
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.world import Transport


async def settled(ctx: Context, transports: MutableMapping[str, Transport]) -> str:
    """Why it would, or ""; see `spi.driver.Settling`.

    Args:
        ctx: of the look.
        transports: by container: ways into the machines that run, for those that look further.
    """
    if not await ctx.world.images.present(recipe_of(ctx.options)):
        return "the image of the machines is not in the store"
    fleet = Fleet(ctx)
    found, volumes = await fleet.everything()
    odd = [*fleet.strangers([*found, *volumes], ctx.life), *fleet.twins([*found, *volumes], ctx.life)]
    if odd:
        return f"{odd[0].kind} `{odd[0].name}` bears a name or marks of ours beside the right one"
    containers = {seen.name: seen for seen in found}
    for name, machine in ctx.options.machines.items():
        planned = fleet.planned(name, ctx.life)
        seen = containers.get(planned.container)
        if seen is None or not seen.of(ctx.life) or not seen.running:
            return f"machine {machine.id} does not run"
        if ctx.options.transport == "podman":
            transports[planned.container] = Within(ctx.world.exec, seen)
    return ""

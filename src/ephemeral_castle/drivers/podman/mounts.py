"""Directories of this computer that machines see."""

from __future__ import annotations

import posixpath

from ephemeral_castle.drivers.podman.options import PodmanOptions
from ephemeral_castle.errors import Refused
from ephemeral_castle.spi.driver import Context


def of(ctx: Context) -> list[tuple[str, str]]:
    """Path on the machine and directory of this computer, of each mount."""
    options: PodmanOptions = ctx.options
    if not options.mounts:
        return []
    home = posixpath.dirname(ctx.request.castle.path)
    return [(place, posixpath.join(home, directory)) for place, directory in options.mounts.items()]


async def check(ctx: Context) -> None:
    """Looks whether each is there, before anything is destroyed for machines that could not be made.

    Raises:
        Refused: one is missing.
    """
    for place, directory in of(ctx):
        if not (await ctx.world.exec.run(["test", "-d", directory])).ok:
            raise Refused(
                f"the directory `{directory}` is not on this computer",
                where=f"layer {ctx.layer.id}, mounts",
                why=f"every machine is to see it at {place}",
                state="nothing was changed",
                hints=["make it, or correct `mounts` in the definition", "castle plan"],
            )

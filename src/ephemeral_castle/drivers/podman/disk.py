"""Whether the disk has room for the machines' volumes. How much data comes home is not known here: a word, no gate."""

from __future__ import annotations

from ephemeral_castle.spi.driver import Context

SMALLEST = 1 << 30  # bytes that the volume of one machine takes with images and a small database


def check(ctx: Context) -> None:
    """Tells where little is free."""
    free = ctx.world.computer.get("disk_available")
    wanted = SMALLEST * len(ctx.options.machines)
    if free is not None and int(free) < wanted:
        ctx.diagnostic(
            "warning",
            f"{int(free) >> 20} MiB of disk are free, and {len(ctx.options.machines)} machines want {wanted >> 20} MiB "
            "and the room for the data that comes home",
        )

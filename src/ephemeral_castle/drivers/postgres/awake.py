"""A database that has its data runs again: after a reboot, after a stop that is taken back.

Memory forgets the secrets when a machine stops, so a container is never just started: its files are handed over first.
"""

from __future__ import annotations

from ephemeral_castle.drivers.postgres.configuration import pooler_files, writer_files
from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.drivers.postgres.place import RUNNING


async def awake(part: Part, *, old: bool) -> bool:
    """Makes sure that the database runs; gives whether it had to be started.

    Nothing is created or restored by it: a server that was a standby is one again.

    Args:
        part: whose.
        old: the one of the life that this run ends.
    """
    place = part.place(old=old)
    if await place.state() == RUNNING:
        return False
    await place.start(await writer_files(part, _life(part, old=old)), ["serve"])
    return True


async def awake_pooler(part: Part, *, old: bool) -> None:
    """Makes sure that PgBouncer runs."""
    place = part.place(old=old)
    if await place.state(pooler=True) != RUNNING:
        await start_pooler(part, old=old)


async def start_pooler(part: Part, *, old: bool) -> None:
    """Starts PgBouncer, whatever was there of it."""
    place = part.place(old=old)
    await place.start_pooler(await pooler_files(part, await place.address(), _life(part, old=old)))


def _life(part: Part, *, old: bool) -> int:
    return part.ctx.old_life if old else part.ctx.life

"""Clearing away what a backup that was killed left: its life's writer may not, since it may delete no backup."""

from __future__ import annotations

import asyncio

from ephemeral_castle.drivers.postgres.listing import repository_path
from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.postgres.leftovers import aborted

AT_ONCE = 32  # deletions


async def clear(part: Part) -> list[str]:
    """Removes backups that never ended, with the treasury's own key; gives their labels.

    Only while no backup runs: one that is being made looks the same.
    """
    folder = f"{repository_path(part)}/backup/{part.layout.stanza}/"
    objects = part.ctx.world.objects
    names = [stat.key.removeprefix(folder) async for stat in objects.list(folder)]
    labels = aborted(names)
    if not labels:
        return []
    await part.ctx.intent("remove what killed backups left", layer=part.layer, labels=labels)
    doomed = [f"{folder}{name}" for name in names if name.partition("/")[0] in labels]
    for first in range(0, len(doomed), AT_ONCE):
        await asyncio.gather(*(objects.delete(key) for key in doomed[first : first + AT_ONCE]))
    return labels

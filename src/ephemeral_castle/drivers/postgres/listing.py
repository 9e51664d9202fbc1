"""Castle's own listing of the archive: names as they stand in the treasury, not as pgBackRest sums them up."""

from __future__ import annotations

from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.drivers.postgres.whereabouts import folder


def repository_path(part: Part) -> str:
    """Key prefix of the repository below the castle's prefix."""
    return folder(part.ctx.layer)


async def listed(part: Part, start: str = "") -> list[str]:
    """Names of all archived files; those before `start` (a segment) on any timeline are left out.

    pgBackRest puts segments into directories of 2³² bytes of WAL, named by the first 16 digits of the segment.
    """
    base = f"{repository_path(part)}/archive/{part.layout.stanza}/"
    names: list[str] = []
    async for stat in part.ctx.world.objects.list(base):
        name = stat.key.rsplit("/", 1)[-1]
        if not start or name.endswith(".history") or name[8:24] >= start[8:24]:
            names.append(name)
    return names


async def is_empty(part: Part) -> bool:
    """Whether nothing at all lies under the repository's prefix."""
    async for _ in part.ctx.world.objects.list(repository_path(part) + "/"):
        return False
    return True

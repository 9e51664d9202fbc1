"""Fills the disk under a journal and ends a run on it; prints what came of it. Argument: an empty directory."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from ephemeral_castle.errors import CastleError
from ephemeral_castle.journal.store import Journal
from ephemeral_castle.model.events import Event, Kind
from tests.unit.model.plans import rebirth

RUN = "r1"


def fill(directory: Path) -> int:
    """Takes all room that is left; gives the bytes that are free then."""
    with (directory / "filler").open("ab", buffering=0) as file:
        for size in (65536, 4096, 1):
            while True:
                try:
                    file.write(b"x" * size)
                except OSError:
                    break
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


async def told(journal: Journal) -> str:
    """Writes until the journal says no."""
    for number in range(10_000):
        event = Event(RUN, Kind.STEP_PROGRESS, 1000.0, "db.prove", 1, {"text": "x" * 500, "number": number})
        try:
            await journal.append(event, durable=True)
        except CastleError as error:
            return error.message
    return "no error"


async def main(directory: Path) -> dict[str, object]:
    """The story."""
    path = directory / "journal.db"
    journal = await Journal.open(path)
    await journal.create_run(RUN, rebirth(), "castle rebirth", 1000.0)
    await journal.take_over(RUN)
    before = fill(directory)
    refused = await told(journal)
    for number in range(100):
        undone = Event(RUN, Kind.STEP_UNDONE, 1001.0, "db.prove", 1, {"detail": f"taken back {number}"})
        await journal.append(undone, durable=True)
    await journal.append(Event(RUN, Kind.RUN_FINISHED, 1002.0, data={"status": "failed"}), durable=True)
    await journal.close()
    fill(directory)
    with Journal.read_only(path) as reader:
        kinds = [event.kind.value for event in reader.events(RUN)]
    try:
        await (await Journal.open(path)).close()
        again = "it was opened"
    except CastleError as error:
        again = error.message
    return {"before": before, "refused": refused, "kinds": kinds, "again": again}


print(json.dumps(asyncio.run(main(Path(sys.argv[1])))))

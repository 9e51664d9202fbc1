"""Appends events until it is killed; prints the number of each durable one after it was acknowledged.

Every event carries the next number, durable or not, so that a hole would be seen.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from ephemeral_castle.journal.store import Journal
from ephemeral_castle.model.events import Event, Kind


async def main(path: Path, first: int) -> None:
    journal = await Journal.open(path)
    await journal.take_over("r1")
    number = first
    while True:
        durable = number % 4 == 0
        event = Event("r1", Kind.STEP_PROGRESS, float(number), "db.prove", 1, {"number": number, "text": "x" * 200})
        await journal.append(event, durable=durable)
        if durable:
            print(number, flush=True)
        number += 1


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))

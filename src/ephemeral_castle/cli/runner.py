"""The process that owns a run: `python -m ephemeral_castle.cli.runner DEFINITION RUN`, started by `engine.launch`."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import traceback
import uuid
from typing import TYPE_CHECKING

from ephemeral_castle.cli import wiring
from ephemeral_castle.cli.places import places
from ephemeral_castle.cli.worlds import Opened, open_world
from ephemeral_castle.engine.own import OwnDriver
from ephemeral_castle.engine.runner import Runner
from ephemeral_castle.errors import CastleError, Permanent
from ephemeral_castle.journal.lease import Lease
from ephemeral_castle.journal.leasefile import LeaseBody, Owner
from ephemeral_castle.journal.lock import LocalLock
from ephemeral_castle.journal.reader import JournalReader
from ephemeral_castle.journal.record import RecordStore
from ephemeral_castle.journal.store import Journal
from ephemeral_castle.model.castle import Castle, Verb
from ephemeral_castle.model.events import Event, Kind, RunStatus

if TYPE_CHECKING:
    from ephemeral_castle.model.plan import Plan


async def own(castle: Castle, run: str) -> RunStatus:
    """Takes local lock, journal and lease, then executes; what fails before the first step is the run's end too."""
    where = places(castle.name)
    lock = LocalLock(where.lock)
    lock.acquire(run, time.time())
    journal = await Journal.open(where.journal)
    await journal.take_over(run)
    with JournalReader(where.journal) as reader:
        plan = reader.plan(run)
        opened: Opened | None = None
        try:
            opened = await open_world(castle, wiring.site_of(castle, plan.site))
            return await _with_lease(castle, run, plan, journal, reader, opened)
        except CastleError as error:
            await _ended(journal, run, error)
        except Exception as error:  # noqa: BLE001 - the run must end with a word, whatever happened
            trace = traceback.format_exc()
            await _ended(journal, run, Permanent(f"unexpected error: {error}", why=trace, hints=["castle resume"]))
        finally:
            if opened is not None:
                await opened.close()
            await journal.close()
            lock.release()
    return RunStatus.FAILED


async def _ended(journal: Journal, run: str, error: CastleError) -> None:
    status = RunStatus.REFUSED if error.exit_code == 9 else RunStatus.FAILED
    data = {"status": status.value, "error": error.as_dict()}
    await journal.append(Event(run, Kind.RUN_FINISHED, time.time(), data=data), durable=True)


async def _with_lease(
    castle: Castle, run: str, plan: Plan, journal: Journal, reader: JournalReader, opened: Opened
) -> RunStatus:
    computer = opened.world.computer
    owner = Owner(f"castle {plan.verb.value}", str(computer["host"]), str(computer["id"]), os.getpid(), run)

    def mine(body: LeaseBody) -> bool:
        """A holder on this computer that is not there any more: we have its local lock."""
        return body.computer == str(computer["id"])

    lease = await Lease.acquire(opened.world.objects, opened.world.clock, owner, mine=mine)
    beating = lease.start_heartbeat()
    try:
        return await _runner(castle, run, plan, journal, reader, opened, lease).execute()
    finally:
        beating.cancel()
        await lease.release()


def _runner(
    castle: Castle,
    run: str,
    plan: Plan,
    journal: Journal,
    reader: JournalReader,
    opened: Opened,
    lease: Lease,
) -> Runner:
    request = wiring.request_of(castle, Verb(plan.verb), plan.site, plan.request)
    drivers, options = wiring.drivers_of(request.site)
    computer = opened.world.computer
    return Runner(
        run=run,
        plan=plan,
        request=request,
        journal=journal,
        reader=reader,
        world=opened.world,
        secrets=opened.secrets,
        records=RecordStore(opened.world.objects, opened.keys.recipient),
        recipient=opened.keys.recipient,
        mint_id=lambda: str(uuid.uuid4()),
        drivers={**drivers, OwnDriver.name: OwnDriver()},
        options=options,
        lease=lease,
        process={
            "pid": os.getpid(),
            "epoch": journal.epoch,
            "fence": lease.fence,
            "host": computer["host"],
            "computer": computer["id"],
            "boot": computer["boot"],
        },
    )


def main() -> None:
    """Runs the run that the arguments name."""
    path, run = sys.argv[1:3]
    status = asyncio.run(own(wiring.load_castle(path), run))
    sys.exit(0 if status is RunStatus.DONE else 4)


if __name__ == "__main__":
    main()

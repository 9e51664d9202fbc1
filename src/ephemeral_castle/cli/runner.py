"""What the process that owns a run does; `engine.launch` makes the process."""

from __future__ import annotations

import os
import time
import traceback
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from ephemeral_castle.cli import wiring
from ephemeral_castle.cli.places import places
from ephemeral_castle.cli.worlds import Opened, open_world
from ephemeral_castle.engine.hold import Hold
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
from ephemeral_castle.model.runview import reduce

if TYPE_CHECKING:
    from ephemeral_castle.model.plan import Plan

LIVED = (Verb.RAISE, Verb.REBIRTH)


async def own(castle: Castle, run: str, cancel_by: str = "") -> RunStatus:
    """Takes local lock, journal and lease, then executes; what fails before the first step is the run's end too.

    Args:
        castle: the definition.
        run: id of the run.
        cancel_by: who wants the run taken back (or stopped at the next safe place) and nothing else, or "".
    """
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
            return await _with_lease(castle, run, cancel_by, journal, reader, opened)
        except CastleError as error:
            await _ended(journal, run, error, begun=reduce(plan, reader.events(run)).passed_no_return)
        except Exception as error:  # noqa: BLE001 - the run must end with a word, whatever happened
            trace = traceback.format_exc()
            await _ended(journal, run, Permanent(f"unexpected error: {error}", why=trace, hints=["castle resume"]))
        finally:
            if opened is not None:
                await opened.close()
            await journal.close()
            lock.release()
    return RunStatus.FAILED


async def _ended(journal: Journal, run: str, error: CastleError, *, begun: bool = False) -> None:
    """The run's end before its first step; `begun`: an earlier runner has destroyed already, so nothing is refused."""
    status = RunStatus.REFUSED if error.exit_code == 9 and not begun else RunStatus.FAILED
    data = {"status": status.value, "exit_code": 4 if begun else error.exit_code, "error": error.as_dict()}
    await journal.append(Event(run, Kind.RUN_FINISHED, time.time(), data=data), durable=True)


async def _with_lease(
    castle: Castle, run: str, cancel_by: str, journal: Journal, reader: JournalReader, opened: Opened
) -> RunStatus:
    plan = reader.plan(run)
    computer = opened.world.computer
    owner = Owner(f"castle {plan.verb.value}", str(computer["host"]), str(computer["id"]), os.getpid(), run)

    def mine(body: LeaseBody) -> bool:
        """A holder on this computer that is not there any more: we have its local lock."""
        return body.computer == str(computer["id"]) and body.host == str(computer["host"])

    async def take() -> Lease:
        lost = bool(plan.request.get("source_lost"))
        return await Lease.acquire(opened.world.objects, opened.world.clock, owner, mine=mine, wait=lost)

    hold = await Hold.begin(take, opened.world.clock)
    try:
        runner = _runner(castle, run, plan, journal, reader, opened, hold)
        return await replace(runner, cancel_by=cancel_by).execute()
    finally:
        await hold.release()


def _runner(
    castle: Castle,
    run: str,
    plan: Plan,
    journal: Journal,
    reader: JournalReader,
    opened: Opened,
    hold: Hold,
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
        hold=hold,
        process={
            "pid": os.getpid(),
            "epoch": journal.epoch,
            "fence": hold.fence,
            "host": computer["host"],
            "computer": computer["id"],
            "boot": computer["boot"],
        },
        lived=next((past.id for past in reader.runs() if past.status is RunStatus.DONE and past.verb in LIVED), ""),
    )

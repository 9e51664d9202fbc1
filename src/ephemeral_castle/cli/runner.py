"""What the process that owns a run does; `engine.launch` makes the process."""

from __future__ import annotations

import os
import time
import traceback
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ephemeral_castle.cli import wiring
from ephemeral_castle.cli.drilling import open_drill
from ephemeral_castle.cli.places import places
from ephemeral_castle.cli.worlds import Opened, open_world
from ephemeral_castle.engine.hold import Hold, Unleased
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
    from collections.abc import Mapping, Sequence

LIVED = (Verb.RAISE, Verb.REBIRTH)


async def own(
    castle: Castle, run: str, lock: LocalLock, *, cancel_by: str = "", notes: Sequence[str] = (), heal: bool = False
) -> RunStatus:
    """Takes journal and lease, then executes; what fails before the first step is the run's end too.

    Args:
        castle: the definition; the one that the run began with is taken instead, where it was stored.
        run: id of the run.
        lock: the castle's lock, or that of its drills; held since before the run was stored.
        cancel_by: who wants the run taken back (or stopped at the next safe place) and nothing else, or "".
        notes: what to say before it goes on.
        heal: whether it may restart a controller that hangs, whatever it was begun with.
    """
    where = places(castle.name)
    drill = lock.path == where.drill_lock
    desk = where.desk(drill=drill)
    lock.sign(run, time.time())
    journal = await Journal.open(desk.journal)
    await journal.take_over(run)
    with JournalReader(desk.journal) as reader:
        plan, begun = reader.plan(run), reader.begun(run)
        castle = begun.castle if begun else castle
        opened: Opened | None = None
        try:
            site = wiring.site_of(castle, plan.site)
            told: dict[str, Any] = {"cancel_by": cancel_by, "notes": notes, "heal": heal}
            if drill:
                found = await open_drill(castle, site)
                opened = found.opened
                runner = _runner(found.castle, run, journal, reader, opened, Unleased(), found.records)
                return await _told(replace(runner, secrets=found.secrets), **told).execute()
            opened = await open_world(castle, site)
            status = await _with_lease(castle, run, told, journal, reader, opened)
            if status is RunStatus.DONE and Verb(plan.verb) is Verb.WIPE:
                await opened.unreach()
            return status
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
    castle: Castle, run: str, told: Mapping[str, Any], journal: Journal, reader: JournalReader, opened: Opened
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
    records = RecordStore(opened.world.objects, opened.keys.recipient)
    try:
        runner = _runner(castle, run, journal, reader, opened, hold, records)
        return await _told(runner, **told).execute()
    finally:
        await hold.release()


def _told(runner: Runner, *, heal: bool, **told: Any) -> Runner:
    """The runner with what it was told besides its plan."""
    return replace(runner, request=replace(runner.request, heal=heal or runner.request.heal), **told)


def _runner(
    castle: Castle,
    run: str,
    journal: Journal,
    reader: JournalReader,
    opened: Opened,
    hold: Hold,
    records: RecordStore,
) -> Runner:
    plan = reader.plan(run)
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
        records=records,
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

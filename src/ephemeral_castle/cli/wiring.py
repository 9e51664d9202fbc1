"""The composition root: the only place where a world, a journal and drivers meet."""

from __future__ import annotations

import asyncio
import secrets
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ephemeral_castle.cli import begun, catalog
from ephemeral_castle.cli.heard import Heard
from ephemeral_castle.cli.places import keys_home, places
from ephemeral_castle.definition.load import load
from ephemeral_castle.engine import launch, planner
from ephemeral_castle.engine.own import OwnDriver
from ephemeral_castle.errors import Busy, DefinitionInvalid, NoSuchRun, UsageError
from ephemeral_castle.journal.joined import Journals
from ephemeral_castle.journal.lock import LocalLock
from ephemeral_castle.journal.reader import JournalReader
from ephemeral_castle.journal.store import Journal
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Verb
from ephemeral_castle.model.events import RunStatus
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.spi.driver import Check, Driver, Request
from ephemeral_castle.spi.options import read_options

REPLANNED = (Verb.RAISE, Verb.REBIRTH)
SETTLING = (Verb.RAISE, Verb.REBIRTH, Verb.WIPE)
CONFIRMED = (Verb.REBIRTH, Verb.WIPE, Verb.RESTORE)  # a person said yes to them, and `cancel` takes that back
UNFINISHED = (RunStatus.RUNNING, RunStatus.FAILED, RunStatus.STOPPED)


def castle_of_run(file: str, run: str | None) -> tuple[Castle, str]:
    """The definition that a run (None: the newest) began with, and a line for the person when today's is another one.

    Raises:
        DefinitionInvalid: today's definition cannot be read, and no run remembers one.
    """
    try:
        today = load_castle(file)
    except DefinitionInvalid as error:
        found, _ = begun.find(file, None, run)
        if found is None:
            raise
        return found, f"{error.message}; {begun.GOES_ON}"
    found, other = begun.find(file, today, run)
    return found or today, f"{file} changed since this run began; {begun.GOES_ON}" if other else ""


def load_castle(file: str) -> Castle:
    """Reads a definition; DefinitionInvalid when it has errors."""
    home = keys_home()
    return load(file, options_of=catalog.options_of, driver_names=catalog.driver_names(), config_home=home)


def site_of(castle: Castle, name: str | None) -> Site:
    """The chosen site, or the first; UsageError for an unknown one."""
    if name is not None and name not in castle.sites:
        raise UsageError(f"this definition has no site `{name}`", hints=[f"its sites: {', '.join(castle.sites)}"])
    return castle.site(name)


def drivers_of(site: Site) -> tuple[dict[str, Driver[Any]], dict[str, Any]]:
    """One instance of each driver of a site, and the validated options of each layer."""
    classes = {layer.driver: catalog.driver_class(layer.driver) for layer in site.layers}
    drivers: dict[str, Driver[Any]] = {name: found() for name, found in classes.items()}
    return drivers, {layer.id: _options(classes[layer.driver], layer) for layer in site.layers}


def _options(driver: Any, layer: Layer) -> Any:
    return read_options(driver.Options, layer.options)


def request_of(castle: Castle, verb: Verb, site: str | None, flags: Mapping[str, Any]) -> Request:
    """What a run is asked to do."""
    kept = {key: value for key, value in flags.items() if key != "replan" and value is not None}
    return Request(verb=verb, castle=castle, site=site_of(castle, site), **kept)


def offline_plan(castle: Castle, verb: Verb, site: str | None, flags: Mapping[str, Any]) -> Plan:
    """The plan of a verb, without looking at the world."""
    request = request_of(castle, verb, site, flags)
    drivers, options = drivers_of(request.site)
    return planner.build(request, drivers, options, OwnDriver())


def effective(castle: Castle) -> dict[str, Any]:
    """The definition with every default spelled out."""
    from ephemeral_castle.definition.effective import effective as spelled_out

    return spelled_out(castle, catalog.options_of)


def journal_of(castle: Castle) -> Journals:
    """The journals, for reading: every run of the castle, drills too."""
    return begun.journals_of(castle.name)


def runner_alive(castle: Castle, run: str) -> bool:
    """Whether a process works on this run now."""
    where = places(castle.name)
    holders = [LocalLock(path).holder() for path in (where.lock, where.drill_lock)]
    return any(holder is not None and holder.run in ("", run) for holder in holders)


def start_run(castle: Castle, request_kwargs: Mapping[str, Any], site: str | None, verb: Verb) -> str:
    """Plans, stores and launches a detached runner; gives the id of the run.

    Raises:
        Busy: another run holds the castle, or one that passed its first deletion waits to be resumed.
    """
    where = places(castle.name)
    plan = offline_plan(castle, verb, site, request_kwargs)
    request = request_of(castle, verb, site, request_kwargs)
    from ephemeral_castle.cli import chores

    chores.check_filled_in(castle)
    begins = begun.begin(request, *drivers_of(request.site))
    run = new_run_id()
    desk = where.desk(drill=verb is Verb.DRILL)
    lock = LocalLock(desk.lock)
    lock.acquire(run, time.time())  # before the run is stored: of two that begin at once, the second leaves nothing
    try:
        if verb is not Verb.DRILL and not request_kwargs.get("replan"):
            _not_between_lives(where.journal, verb)
            _not_over_a_birth(castle, where.journal, verb)
        if verb is Verb.RAISE and request_kwargs.get("new") and castle.treasury.server:
            chores.ensure_keys(castle)

        async def store() -> None:
            journal = await Journal.open(desk.journal)
            await journal.create_run(run, plan, shlex.join(["castle", *sys.argv[1:]]), time.time(), begins)
            await journal.close()

        asyncio.run(store())
        _launch(castle, run, lock)
    finally:
        lock.hand_over()
    return run


def _not_between_lives(journal: Path, verb: Verb) -> None:
    broken = _between_lives(journal) if journal.exists() else ""
    if broken:
        hints = [f"castle resume {broken}, to go on with it"]
        if verb in REPLANNED:
            hints.insert(0, f"castle {verb.value} --replan, if you know better")
        raise Busy(
            f"run {broken} has begun to destroy and is not finished",
            why="a new plan would not know what it did",
            state="the castle is between two lives",
            hints=hints,
        )


def _between_lives(journal: Path) -> str:
    """The newest run that began to destroy and did not end, unless a later one brought the castle up again; or ""."""
    from ephemeral_castle.model.runview import reduce

    with JournalReader(journal) as reader:
        for run in reader.runs():
            if RunStatus(run.status) is RunStatus.DONE and Verb(run.verb) in SETTLING:
                return ""
            if (
                RunStatus(run.status) in UNFINISHED
                and reduce(reader.plan(run.id), reader.events(run.id)).passed_no_return
            ):
                return str(run.id)
    return ""


def _not_over_a_birth(castle: Castle, journal: Path, verb: Verb) -> None:
    """Refuses a new life where another one was begun: only the run that began it knows what is its own."""
    run, old_life = _unfinished_birth(journal) if verb in REPLANNED and journal.exists() else ("", 0)
    if not run:
        return
    first = old_life == 0
    # With a treasury kept here, `down` ends that too: before the first life nothing is in it that could be lost.
    anew = [f"castle down --confirm {castle.name}, to begin anew"] if first and castle.treasury.server else []
    raise Busy(
        f"run {run} began {'this castle' if first else f'life {old_life + 1}'} and is not finished",
        why="the record does not know yet what it made, so a new run could neither use nor replace it",
        state="what it made stands as it left it",
        hints=[
            f"castle {verb.value} --replan, if the definition itself had to be changed",
            *anew,
            f"castle resume {run}, to go on with it: what was pushed meanwhile comes up",
        ],
    )


def _unfinished_birth(journal: Path) -> tuple[str, int]:
    """The newest raise that made machines of a life which never came into the record, and the life before; or ""."""
    from ephemeral_castle.model.runview import reduce

    with JournalReader(journal) as reader:
        for run in reader.runs():
            done = RunStatus(run.status) is RunStatus.DONE
            if done and Verb(run.verb) in SETTLING:
                break
            if done or Verb(run.verb) is not Verb.RAISE:
                continue
            plan, events = reader.plan(run.id), reader.events(run.id)
            began = begun.lives(events)
            made = any(
                entry.data.get("what") == "create" and plan.roles[plan.by_id[entry.step].layer] == Role.GROUND
                for entry in reduce(plan, events).intents
            )
            if made and began and began[1] > began[0] and not begun.recorded(events):
                return run.id, began[0]
    return "", 0


def new_run_id() -> str:
    """Sortable by time, unique: `20261122-154501-3f9c`."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + "-" + secrets.token_hex(2)


def _launch(castle: Castle, run: str, lock: LocalLock, **told: Any) -> None:
    """A runner in a process of its own, which holds the lock on. `told`: as `runner.own` takes it."""

    def work() -> None:
        from ephemeral_castle.cli.runner import own

        asyncio.run(own(castle, run, lock, **told))

    launch.launch(run, places(castle.name).state, work, keep=lock.descriptor)


def resume_run(castle: Castle, run: str, note: str = "", *, heal: bool = False) -> str:
    """Launches a runner for a run that was broken off; gives the id of the run.

    Args:
        castle: the definition that the run began with.
        run: id of the run.
        note: what to say before it goes on, or "".
        heal: whether it may restart a controller that hangs, whatever it was begun with.

    Raises:
        Busy: another run holds the castle. Refused: a file that it needs changed. UsageError: it is finished, or was
            cancelled.
    """
    with journal_of(castle) as reader:
        info = reader.run(run)
    if RunStatus(info.status) is RunStatus.DONE:
        raise UsageError(f"run {run} is finished", hints=[f"castle report {run}"])
    if RunStatus(info.status) is RunStatus.CANCELLED and info.verb in CONFIRMED:
        raise UsageError(
            f"run {run} was cancelled, and took back what it had begun",
            why="going on with it would do what somebody stopped",
            hints=[f"castle {info.verb}, to begin anew"],
        )
    drill = info.verb == Verb.DRILL.value
    lock = LocalLock(places(castle.name).desk(drill=drill).lock)
    lock.acquire(run, time.time())
    try:
        notes = [*([note] if note else []), *begun.check_files(castle, run)]
        _launch(castle, run, lock, notes=notes, heal=heal)
    finally:
        lock.hand_over()
    return run


def cancel_run(castle: Castle, run: str) -> dict[str, Any]:
    """Asks a run to stop; gives what will happen."""
    with journal_of(castle) as reader:
        info = reader.run(run)
        from ephemeral_castle.model.runview import reduce

        view = reduce(reader.plan(run), reader.events(run))
    drill = info.verb == Verb.DRILL.value
    if RunStatus(info.status) not in (*UNFINISHED, *([RunStatus.REFUSED] if drill else [])):  # it may have been kept
        raise NoSuchRun(f"run {run} is not running: it is {info.status}", hints=[f"castle report {run}"])
    desk = places(castle.name).desk(drill=drill)

    async def ask() -> None:
        journal = await Journal.open(desk.journal)
        await journal.request_cancel(run, _who())
        await journal.close()

    lock = LocalLock(desk.lock)
    try:
        lock.acquire(run, time.time())
    except Busy:
        if not runner_alive(castle, run):
            raise  # another run works on the castle; this one does not
    try:
        asyncio.run(ask())
        if lock.held:  # nobody works on it; a request that was only written would be void: it precedes the runner
            _launch(castle, run, lock, cancel_by=_who())
    finally:
        lock.hand_over()
    text = (
        "what the drill made is removed; the living castle is not touched"
        if drill
        else "the first deletion has begun: it stops at the next safe place; `castle resume` goes on"
        if view.passed_no_return
        else "nothing was destroyed yet: it stops, the fence is lifted, the castle serves as before"
    )
    return {"run": run, "passed_no_return": view.passed_no_return, "text": text}


def _who() -> str:
    import getpass

    return getpass.getuser()


async def settled(castle: Castle, site: str | None) -> Mapping[str, Any]:
    """Whether a raise would change nothing: `life`, and `why` it might ("" when it would not)."""
    from ephemeral_castle.cli import settled

    return await settled.look(castle, site_of(castle, site))


async def survey(castle: Castle, site: str | None) -> Mapping[str, Any]:
    """Looks at the world: the mapping that `views.statusview` describes."""
    from ephemeral_castle.cli import online

    return await online.survey(castle, site_of(castle, site))


async def doctor(castle: Castle | None, site: str | None) -> Sequence[Check]:
    """Checks this computer and, with a castle, its treasury and keys."""
    from ephemeral_castle.cli import online

    return await online.doctor(castle, None if castle is None else site_of(castle, site))


async def ask(castle: Castle, site: str | None, *, tree: bool) -> Heard:
    """What everything that the castle stands on says; see `cli.asking.ask`."""
    from ephemeral_castle.cli import asking

    return await asking.ask(castle, site_of(castle, site), tree=tree)


def rendered(directory: str, chart: Any) -> str:
    """What kubectl renders of a directory, or helm of a `manifests.ports.Chart` below it; raises PortFailed."""
    from ephemeral_castle.cli.chores import rendered as print_of

    return print_of(directory, chart)


def card(castle: Castle, site: str | None) -> Mapping[str, Any]:
    """The mapping that `views.card` describes."""
    from ephemeral_castle.cli import chores

    return chores.card(castle, site_of(castle, site))


async def prefetch(castle: Castle, site: str | None, progress: Any) -> Mapping[str, Any]:
    """Builds what can be built ahead; gives the references."""
    from ephemeral_castle.cli import chores

    return await chores.prefetch(castle, site_of(castle, site), progress)


async def secret(
    castle: Castle, site: str | None, action: str, name: str, value: str, *, new: bool
) -> Mapping[str, Any]:
    """Lists, gets, puts or deletes a secret of the castle; `new` makes a missing key file first."""
    from ephemeral_castle.cli import chores, vaulted

    if new:
        chores.ensure_keys(castle)
    return await vaulted.secret(castle, site_of(castle, site), action, name, value)


async def kubeconfig(castle: Castle, site: str | None, out: str) -> Mapping[str, Any]:
    """Writes the key of the castle's cluster into a file; gives `file`, `server`, `life` and `context`."""
    from ephemeral_castle.cli import kubeconfig as keyed

    return await keyed.kubeconfig(castle, site_of(castle, site), out)


async def adopt(answers: Mapping[str, Any], told: Mapping[str, Any]) -> Mapping[str, Any]:
    """Looks at a living cluster and writes a definition of it; what `cli.adopting.adopt` gives."""
    from ephemeral_castle.cli import adopting

    return await adopting.adopt(answers, told)


async def rights(castle: Castle | None, site: str | None, told: Mapping[str, Any]) -> Mapping[str, Any]:
    """The ClusterRole that all verbs of a castle (None: of the one that `adopt` would write) need, and no more."""
    from ephemeral_castle.cli import adopting

    return await adopting.rights(castle, None if castle is None else site_of(castle, site), told)


async def take_down(castle: Castle, site: str | None, progress: Any) -> Mapping[str, Any]:
    """Removes the castle from this computer; gives what was removed."""
    from ephemeral_castle.cli import chores

    return await chores.take_down(castle, site_of(castle, site), progress)


async def init_castle(answers: Mapping[str, Any], directory: Path, access: tuple[str, str] | None) -> Mapping[str, Any]:
    """Writes a definition and its key file; gives `files` (paths), `timer` (text of a systemd timer) and `notes`."""
    from ephemeral_castle.cli import chores

    return await chores.init_castle(answers, directory, access)

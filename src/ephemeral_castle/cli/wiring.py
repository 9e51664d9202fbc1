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

from ephemeral_castle.cli import catalog
from ephemeral_castle.cli.places import keys_home, places
from ephemeral_castle.definition.load import load
from ephemeral_castle.engine import launch, planner
from ephemeral_castle.engine.own import OwnDriver
from ephemeral_castle.errors import Busy, NoSuchRun, UsageError
from ephemeral_castle.journal.lock import LocalLock
from ephemeral_castle.journal.reader import JournalReader
from ephemeral_castle.journal.store import Journal
from ephemeral_castle.model.castle import Castle, Layer, Site, Verb
from ephemeral_castle.model.events import RunStatus
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.spi.driver import Check, Driver, Request
from ephemeral_castle.spi.options import read_options

REPLANNED = (Verb.RAISE, Verb.REBIRTH)
SETTLING = (Verb.RAISE, Verb.REBIRTH, Verb.WIPE)
UNFINISHED = (RunStatus.RUNNING, RunStatus.FAILED, RunStatus.STOPPED)


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


def journal_of(castle: Castle) -> JournalReader:
    """The journal, for reading."""
    return JournalReader(places(castle.name).journal)


def runner_alive(castle: Castle, run: str) -> bool:
    """Whether a process works on this run now."""
    holder = LocalLock(places(castle.name).lock).holder()
    return holder is not None and holder.run in ("", run)


def start_run(castle: Castle, request_kwargs: Mapping[str, Any], site: str | None, verb: Verb) -> str:
    """Plans, stores and launches a detached runner; gives the id of the run.

    Raises:
        Busy: another run holds the castle, or one that passed its first deletion waits to be resumed.
    """
    where = places(castle.name)
    plan = offline_plan(castle, verb, site, request_kwargs)
    _one_at_a_time(castle, verb, replan=bool(request_kwargs.get("replan")))
    run = new_run_id()
    if verb is Verb.RAISE and request_kwargs.get("new") and castle.treasury.server:
        from ephemeral_castle.cli import chores

        chores.ensure_keys(castle)

    async def store() -> None:
        where.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        journal = await Journal.open(where.journal)
        await journal.create_run(run, plan, shlex.join(["castle", *sys.argv[1:]]), time.time())
        await journal.close()

    asyncio.run(store())
    _launch(castle, run)
    return run


def _one_at_a_time(castle: Castle, verb: Verb, *, replan: bool) -> None:
    where = places(castle.name)
    holder = LocalLock(where.lock).holder()
    if holder is not None:
        raise Busy(
            f"run {holder.run} holds this castle",
            why=f"process {holder.pid} on {holder.host}",
            state="nothing was changed",
            hints=[f"castle watch {holder.run}", f"castle cancel {holder.run}"],
        )
    if replan or not where.journal.exists():
        return
    broken = _between_lives(where.journal)
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


def new_run_id() -> str:
    """Sortable by time, unique: `20261122-154501-3f9c`."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + "-" + secrets.token_hex(2)


def _launch(castle: Castle, run: str, *, cancel_by: str = "") -> None:
    def work() -> None:
        from ephemeral_castle.cli.runner import own

        asyncio.run(own(castle, run, cancel_by))

    launch.launch(run, places(castle.name).state, work)


def resume_run(castle: Castle, run: str) -> str:
    """Launches a runner for a run that was broken off; gives the id of the run."""
    with journal_of(castle) as reader:
        info = reader.run(run)
    if RunStatus(info.status) is RunStatus.DONE:
        raise UsageError(f"run {run} is finished", hints=[f"castle report {run}"])
    holder = LocalLock(places(castle.name).lock).holder()
    if holder is not None:
        raise Busy(
            f"run {holder.run} holds this castle",
            why=f"process {holder.pid} works on it",
            hints=[f"castle watch {holder.run}"],
        )
    _launch(castle, run)
    return run


def cancel_run(castle: Castle, run: str) -> dict[str, Any]:
    """Asks a run to stop; gives what will happen."""
    where = places(castle.name)
    with journal_of(castle) as reader:
        info = reader.run(run)
        from ephemeral_castle.model.runview import reduce

        view = reduce(reader.plan(run), reader.events(run))
    if RunStatus(info.status) not in UNFINISHED:
        raise NoSuchRun(f"run {run} is not running: it is {info.status}", hints=[f"castle report {run}"])

    async def ask() -> None:
        journal = await Journal.open(where.journal)
        await journal.request_cancel(run, _who())
        await journal.close()

    asyncio.run(ask())
    holder = LocalLock(where.lock).holder()
    if holder is None:
        _launch(castle, run, cancel_by=_who())  # a request that was only written would be void: it precedes the runner
    text = (
        "the first deletion has begun: it stops at the next safe place; `castle resume` goes on"
        if view.passed_no_return
        else "nothing was destroyed yet: it stops, the fence is lifted, the castle serves as before"
    )
    return {"run": run, "passed_no_return": view.passed_no_return, "text": text}


def _who() -> str:
    import getpass

    return getpass.getuser()


async def survey(castle: Castle, site: str | None) -> Mapping[str, Any]:
    """Looks at the world: the mapping that `views.statusview` describes."""
    from ephemeral_castle.cli import online

    return await online.survey(castle, site_of(castle, site))


async def doctor(castle: Castle | None, site: str | None) -> Sequence[Check]:
    """Checks this computer and, with a castle, its treasury and keys."""
    from ephemeral_castle.cli import online

    return await online.doctor(castle, None if castle is None else site_of(castle, site))


def card(castle: Castle, site: str | None) -> Mapping[str, Any]:
    """The mapping that `views.card` describes."""
    from ephemeral_castle.cli import chores

    return chores.card(castle, site_of(castle, site))


async def prefetch(castle: Castle, site: str | None, progress: Any) -> Mapping[str, Any]:
    """Builds what can be built ahead; gives the references."""
    from ephemeral_castle.cli import chores

    return await chores.prefetch(castle, site_of(castle, site), progress)


async def take_down(castle: Castle, site: str | None, progress: Any) -> Mapping[str, Any]:
    """Removes the castle from this computer; gives what was removed."""
    from ephemeral_castle.cli import chores

    return await chores.take_down(castle, site_of(castle, site), progress)


async def init_castle(answers: Mapping[str, Any], directory: Path) -> Mapping[str, Any]:
    """Writes a definition and its key file; gives `files` (paths) and `timer` (text of a systemd timer)."""
    from ephemeral_castle.cli import chores

    return await chores.init_castle(answers, directory)

"""What a run began with, at its start and when it goes on: the definition, and the files that its steps still read."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ephemeral_castle import __version__
from ephemeral_castle.cli.places import journals, places
from ephemeral_castle.engine.own import OwnDriver
from ephemeral_castle.errors import CastleError, DefinitionInvalid, NoSuchRun, Permanent, Refused
from ephemeral_castle.journal.joined import Journals
from ephemeral_castle.journal.reader import JournalReader
from ephemeral_castle.model.begun import Begun, NeededFile, meaning
from ephemeral_castle.model.castle import Castle
from ephemeral_castle.model.events import Event, Kind, Outcome
from ephemeral_castle.model.runview import StepState, reduce
from ephemeral_castle.spi.driver import Driver, Request

GOES_ON = "the run goes on with what it began with; changes count from the next run"


def begin(request: Request, drivers: Mapping[str, Driver[Any]], options: Mapping[str, Any]) -> Begun:
    """The definition of a new run, with the digests of the files that its steps will read.

    Raises:
        DefinitionInvalid: a file that is needed cannot be read.
    """
    files: dict[str, NeededFile] = {}
    for layer in request.site.layers:
        driver: Any = drivers[layer.driver]
        if not hasattr(driver, "reads"):
            continue
        for name, step in driver.reads(layer, options[layer.id], request).items():
            path = Path(request.castle.path).parent / name
            files[str(path)] = NeededFile(_digest(path, layer.id), step)
    return Begun(request.castle, files, __version__)


def _digest(path: Path, layer: str) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DefinitionInvalid(
            f"a file that layer `{layer}` names cannot be read: {path}: {error.strerror}",
            hints=(f"ls -l {path}",),
        ) from None


def journals_of(castle: str) -> Journals:
    """The journals of a castle of that name; raises NoSuchRun when there is none."""
    where = places(castle)
    return Journals([where.journal, where.drills])


def find(file: str, today: Castle | None, run: str | None) -> tuple[Castle | None, bool]:
    """The definition that a run began with, and whether today's means something else.

    Args:
        file: the definition as the person named it.
        today: what it says now; None when it is gone or has errors.
        run: id of the run; None for the newest one of this castle.

    Returns:
        Without a run that stored its definition: today's.
    """
    begun = None if today is None else _stored(today.name, run)
    if begun is None and (today is None or (run is not None and not _knows(today.name, run))):
        begun = _anywhere(str(Path(file).absolute()), run)
    if begun is None:
        return today, False
    return begun.castle, today is None or meaning(today) != meaning(begun.castle)


def _knows(castle: str, run: str) -> bool:
    with contextlib.suppress(NoSuchRun), journals_of(castle) as reader:
        return bool(reader.run(run))
    return False


def _stored(castle: str, run: str | None) -> Begun | None:
    """What the run (the newest one) of a castle began with."""
    with contextlib.suppress(NoSuchRun), journals_of(castle) as reader:
        if run is None:
            newest = reader.latest()
            run = newest.id if newest else ""
        return reader.begun(run)
    return None


def _anywhere(path: str, run: str | None) -> Begun | None:
    """The same from any castle on this computer: by the run's id, or by the path of the definition it began with."""
    for journal in journals():
        with contextlib.suppress(CastleError), JournalReader(journal) as reader:
            found = reader.begun(run or reader.begun_from(path))
            if found is not None:
                return found
    return None


def lives(events: Sequence[Event]) -> tuple[int, int] | None:
    """The life that stood when a run began, and the one it works on; None before its first runner."""
    first = next((event for event in events if event.kind is Kind.RUN_STARTED and "life" in event.data), None)
    return None if first is None else (int(first.data["old_life"]), int(first.data["life"]))


def recorded(events: Sequence[Event]) -> bool:
    """Whether a run wrote its life into the record; what it took back afterwards does not change that."""
    step = f"{OwnDriver.name}.record-life"
    ended = (event for event in events if event.kind is Kind.STEP_FINISHED and event.step == step)
    return any(event.data.get("state") == Outcome.DONE.value for event in ended)


def check_files(castle: Castle, run: str) -> list[str]:
    """Judges the files that steps of a broken-off run still need; gives what a person should know.

    A file may be mended when the step that reads it failed; by any other change the run would do what was not planned.

    Raises:
        Refused: a file changed or is gone. Permanent: the same after the first deletion.
    """
    with journals_of(castle.name) as reader:
        begun, events = reader.begun(run), reader.events(run)
        view = reduce(reader.plan(run), events)
    notes = []
    for path, needed in begun.files.items() if begun else ():
        changed = _changed(Path(path), needed.sha256)
        step = view.steps.get(needed.step)
        if not changed or step is None or step.state is StepState.DONE:
            continue
        if changed == "changed" and _failed_once(events, needed.step):
            notes.append(f"{path} changed since the run began; step {needed.step}, which failed, reads it as it is now")
            continue
        kind = Permanent if view.passed_no_return else Refused
        raise kind(
            f"a file that run {run} still needs {'is gone' if changed == 'gone' else 'changed'} since it began",
            where=path,
            why=f"step {needed.step} reads it: the run would do something else than was planned",
            state="nothing was changed now; the run stands where it stopped",
            hints=[
                "put the file back as it was",
                *([] if view.passed_no_return else [f"castle cancel {run}, to begin anew with the file as it is"]),
                f"castle resume {run}",
            ],
        )
    return notes


def _changed(path: Path, digest: str) -> str:
    try:
        return "" if hashlib.sha256(path.read_bytes()).hexdigest() == digest else "changed"
    except OSError:
        return "gone"


def _failed_once(events: Sequence[Event], step: str) -> bool:
    finished = (event for event in events if event.kind is Kind.STEP_FINISHED and event.step == step)
    return any(event.data.get("state") == Outcome.FAILED.value for event in finished)

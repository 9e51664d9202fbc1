"""What every bad day must look like afterwards: a clear word, nothing destroyed, the castle serves as before."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from subprocess import CompletedProcess

from ephemeral_castle.errors import CastleError
from ephemeral_castle.journal.reader import JournalReader
from ephemeral_castle.model.events import Kind
from tests.e2e.castles import TestCastle
from tests.e2e.writers import Writer

REFUSED, FAILED = 9, 4
LIMITS = "select datname, datconnlimit, datallowconn from pg_database order by 1"


def says(result: CompletedProcess[str], code: int, *parts: str) -> None:
    """The command ended with `code` and every part stands in what it said."""
    said = result.stdout + result.stderr
    assert result.returncode == code, said
    for part in parts:
        assert part in said, f"{part!r} is missing in:\n{said}"


@contextlib.contextmanager
def serving(castle: TestCastle, life: int) -> Iterator[Writer]:
    """A writer is connected before and goes on after; the same life, the same limits, every acknowledged row."""
    before = castle.sql(LIMITS, life=life)
    with Writer(castle) as writer:
        writer.wait_for(writer.count() + 5)
        yield writer
        writer.wait_for(writer.count() + 5)
    assert castle.sql(LIMITS, life=life) == before
    assert writer.missing(life) == set()


def kill_machines(castle: TestCastle) -> None:
    """All machines and volumes are gone, as after a fire."""
    assert castle.podman("rm", "-f", "-t", "0", "--all").returncode == 0
    assert castle.podman("volume", "rm", "--all", "-f").returncode == 0


@contextlib.contextmanager
def as_soon_as(castle: TestCastle, step: str, what: Callable[[], None]) -> Iterator[None]:
    """Does something in the moment when a step of the run that starts meanwhile has finished."""
    journal = castle.here.base / "state" / castle.name / "journal.db"
    known = {run.id for run in JournalReader(journal).runs()}
    done, stop = threading.Event(), threading.Event()

    def finished() -> bool:
        with contextlib.suppress(CastleError), JournalReader(journal) as reader:
            fresh = [run.id for run in reader.runs() if run.id not in known]
            return any(e.kind is Kind.STEP_FINISHED and e.step == step for run in fresh for e in reader.events(run))
        return False

    def watch() -> None:
        while not stop.is_set():
            if finished():
                what()
                done.set()
                return
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()
    assert done.is_set(), f"{step} never finished"

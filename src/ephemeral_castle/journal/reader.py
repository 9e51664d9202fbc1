"""The reading side of the journal, for any number of processes beside the runner."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ephemeral_castle.errors import NoSuchRun
from ephemeral_castle.journal.faults import INDEX, explained, free, no_room
from ephemeral_castle.journal.migrations import refuse_newer, version_of
from ephemeral_castle.model.begun import Begun
from ephemeral_castle.model.events import Event, Kind, RunStatus
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.spi.world import Clock

POLL_SECONDS = 0.1
_WITH_BEGUN = 2  # version of the file from which on it says what runs began with
_KINDS = {kind.value: kind for kind in Kind}
_HEAD = "select id, castle, site, verb, command, plan_digest, status, created_at, finished_at from run"


@dataclass(frozen=True)
class RunInfo:
    """One line of `castle runs`. `status` is a copy; a run whose runner died still says "running" here.

    Times in Unix seconds; `finished_at` is None while it runs.
    """

    id: str
    castle: str
    site: str
    verb: str
    command: str
    plan_digest: str
    status: RunStatus
    created_at: float
    finished_at: float | None


class JournalReader:
    """Reads one journal. Methods are synchronous: an indexed look takes microseconds and waits for no writer.

    Args:
        path: the journal's file.

    Raises:
        NoSuchRun: there is no journal yet.
        Damaged: the file cannot be read as a journal.
        Permanent: a newer castle wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            raise self._nothing()
        with explained(path):
            self._connection = self._connect()
            try:
                refuse_newer(self._connection, path)
                if version_of(self._connection) == 0:
                    raise self._nothing()
            except BaseException:
                self._connection.close()
                raise

    def _connect(self) -> sqlite3.Connection:
        """Opens the file to read. Where no writer has it, SQLite makes an index beside it even to read.

        On a full disk it cannot. Then the file is read as it lies, which is right while no log of changes lies beside
        it: without one, nobody writes.

        Raises:
            Permanent: there is such a log, and no room for the index.
        """
        uri = f"{self.path.absolute().as_uri()}?mode=ro"
        found = sqlite3.connect(uri, uri=True, isolation_level=None)
        try:
            found.execute("pragma busy_timeout = 5000")
            version_of(found)
        except sqlite3.OperationalError as error:
            found.close()
            if self.room() >= INDEX:
                raise
            log = self.path.with_name(f"{self.path.name}-wal")
            if log.exists() and log.stat().st_size:
                raise no_room(self.path, str(error)) from error
            return sqlite3.connect(f"{uri}&immutable=1", uri=True, isolation_level=None)
        except BaseException:
            found.close()
            raise
        return found

    def _nothing(self) -> NoSuchRun:
        return NoSuchRun(
            "no run of this castle is known on this computer",
            where=str(self.path),
            why="there is no journal",
            hints=["castle status", "castle raise"],
        )

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def room(self) -> int:
        """Bytes that are free under the journal: with none a runner could not even write why it ended."""
        return free(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def runs(self) -> list[RunInfo]:
        """All runs, newest first."""
        with explained(self.path):
            rows = self._connection.execute(f"{_HEAD} order by created_at desc, rowid desc").fetchall()
        return [_info(row) for row in rows]

    def latest(self) -> RunInfo | None:
        """The newest run."""
        with explained(self.path):
            row = self._connection.execute(f"{_HEAD} order by created_at desc, rowid desc limit 1").fetchone()
        return _info(row) if row else None

    def run(self, run_id: str) -> RunInfo:
        """One run; raises NoSuchRun."""
        with explained(self.path):
            row = self._connection.execute(f"{_HEAD} where id = ?", (run_id,)).fetchone()
        if row is None:
            raise self._no_run(run_id)
        return _info(row)

    def plan(self, run_id: str) -> Plan:
        """The plan as it was stored with the run; raises NoSuchRun."""
        with explained(self.path):
            row = self._connection.execute("select plan from run where id = ?", (run_id,)).fetchone()
        if row is None:
            raise self._no_run(run_id)
        return Plan.from_json(json.loads(row[0]))

    def begun(self, run_id: str) -> Begun | None:
        """What the run began with; None for a run of a castle that did not store it."""
        row = self._begun("run_id = ?", run_id)
        return Begun.from_json(json.loads(row[1])) if row else None

    def begun_from(self, path: str) -> str:
        """Id of the newest run that began with the definition at that absolute path, or ""."""
        row = self._begun("path = ?", path)
        return str(row[0]) if row else ""

    def _begun(self, where: str, value: str) -> tuple[str, str] | None:
        with explained(self.path):
            if version_of(self._connection) < _WITH_BEGUN:
                return None
            text = f"select run_id, body from begun where {where} order by rowid desc limit 1"
            found: tuple[str, str] | None = self._connection.execute(text, (value,)).fetchone()
        return found

    def events(self, run_id: str, after_seq: int = 0) -> list[Event]:
        """Events of a run behind `after_seq`, in order. Kinds that a newer castle added are left out."""
        text = "select seq, v, at, kind, step_id, attempt, body from event where run_id = ? and seq > ? order by seq"
        with explained(self.path):
            rows = self._connection.execute(text, (run_id, after_seq)).fetchall()
        return [
            Event(run_id, _KINDS[kind], at, step, attempt, json.loads(body), seq, v)
            for seq, v, at, kind, step, attempt, body in rows
            if kind in _KINDS
        ]

    def cancel_requested(self, run_id: str) -> str:
        """Who asked for cancellation, or "".

        A request is void once the run has finished, or once a person resumed it after asking. One that came between
        the run's creation and its first runner holds.
        """
        text = """select by from cancel where run_id = :run and after_seq >= coalesce((
            select max(seq) from event where run_id = :run and (kind = 'run.finished' or kind = 'run.started'
                and seq > (select min(seq) from event where run_id = :run and kind = 'run.started'))), 0)
            order by rowid limit 1"""
        with explained(self.path):
            row = self._connection.execute(text, {"run": run_id}).fetchone()
        return str(row[0]) if row else ""

    async def polls(self, run_id: str, clock: Clock, after_seq: int = 0) -> AsyncIterator[list[Event]]:
        """Ten looks a second for new events, for ever; gives what each found, often nothing.

        For viewers that have something to do while nothing happens. The first look is not delayed.
        """
        seen = -1
        while True:
            with explained(self.path):
                version = int(self._connection.execute("pragma data_version").fetchone()[0])
            # Asked before the events are read: a commit in between is found again, never missed.
            found = self.events(run_id, after_seq) if version != seen else []
            seen = version
            after_seq = found[-1].seq if found else after_seq
            yield found
            await clock.sleep(POLL_SECONDS)

    async def tail(self, run_id: str, clock: Clock, after_seq: int = 0) -> AsyncIterator[Event]:
        """Events as they come; ends with the run's `run.finished` when nothing follows it.

        A runner that was killed leaves no such event: who must notice that uses `polls` and the local lock.
        """
        async for batch in self.polls(run_id, clock, after_seq):
            for event in batch:
                yield event
            if batch and batch[-1].kind is Kind.RUN_FINISHED:
                return

    def _no_run(self, run_id: str) -> NoSuchRun:
        return NoSuchRun(f"no run {run_id}", where=str(self.path), hints=["castle runs"])


def _info(row: tuple[str, str, str, str, str, str, str, float, float | None]) -> RunInfo:
    status = RunStatus(row[6]) if row[6] in set(RunStatus) else RunStatus.FAILED
    return RunInfo(*row[:6], status, *row[7:])

"""The journal: the events of every run of one castle, in one SQLite file.

The event table is the only truth; the status in the run table is a copy for lists, written in the same transaction.
Appending needs the epoch: whoever takes the journal over raises it, and an append with an older one writes nothing.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ephemeral_castle.errors import Busy, NoSuchRun
from ephemeral_castle.journal.reader import JournalReader
from ephemeral_castle.journal.writer import Writer
from ephemeral_castle.model.begun import Begun
from ephemeral_castle.model.events import Event, Kind, RunStatus
from ephemeral_castle.model.plan import Plan

# Unix seconds by SQLite itself: notes of a person's request need no exact clock.
_NOW = "(julianday('now') - 2440587.5) * 86400.0"
_CANCEL = f"""insert into cancel(run_id, by, at, after_seq)
    select id, ?, {_NOW}, coalesce((select max(seq) from event), 0) from run where id = ?"""
_INSERT = "insert into event(run_id, epoch, v, at, kind, step_id, attempt, body) values (?, ?, ?, ?, ?, ?, ?, ?)"


class Journal:
    """The writing side. Make it with `await Journal.open(path)`, end it with `await close()`."""

    def __init__(self, path: Path, writer: Writer) -> None:
        self.path = path
        self.epoch = 0
        self._writer = writer

    @classmethod
    async def open(cls, path: Path) -> Journal:
        """Opens the journal for writing; makes the file (mode 0600) and its directory (0700) when there is none.

        Raises:
            Damaged: the file cannot be read as a journal.
            Permanent: a newer castle wrote it, or there is no room.
            Denied: no right to open it.
        """
        writer = Writer(path)
        await asyncio.wrap_future(writer.opened)
        return cls(path, writer)

    @staticmethod
    def read_only(path: Path) -> JournalReader:
        """The reading side, for any process; raises NoSuchRun when there is no journal."""
        return JournalReader(path)

    async def create_run(
        self, run_id: str, plan: Plan, command: str, created_at: float, begun: Begun | None = None
    ) -> Event:
        """Stores a run with its plan, and the event `run.created`, in one transaction. Needs no epoch.

        Args:
            run_id: unique on this computer.
            plan: what resume will execute.
            command: the command line as a person typed it, without secrets.
            created_at: Unix seconds.
            begun: the definition that a resume will go on with.

        Raises:
            Conflict: a run of that id exists.
        """
        data = {"digest": plan.digest, "verb": plan.verb.value, "command": command}
        data |= {"definition": begun.digest} if begun else {}
        event = Event(run_id, Kind.RUN_CREATED, created_at, data=data)
        stored = json.dumps(plan.to_json(), allow_nan=False)
        head = (plan.castle, plan.site, plan.verb.value, command, plan.digest, stored)

        def work(connection: sqlite3.Connection) -> int:
            row = (run_id, *head, RunStatus.RUNNING.value, created_at)
            connection.execute("insert into run values (?, ?, ?, ?, ?, ?, ?, ?, ?, null)", row)
            if begun is not None:
                body = _dump(begun.to_json())
                kept = (run_id, begun.castle.path, begun.digest, body)
                connection.execute("insert into begun values (?, ?, ?, ?)", kept)
            return _insert(connection, event, _dump(data), 0)

        return dataclasses.replace(event, seq=await self._durably(work))

    async def take_over(self, run_id: str) -> int:
        """Makes this process the one that may append; gives the new epoch, to be written into `run.started`.

        Call it only while holding the castle's local lock. Earlier holders' appends fail from now on.

        Raises:
            NoSuchRun: no run of that id.
        """

        def work(connection: sqlite3.Connection) -> int:
            if connection.execute("select 1 from run where id = ?", (run_id,)).fetchone() is None:
                return 0
            connection.execute("update runner set epoch = epoch + 1, run_id = ?", (run_id,))
            return int(connection.execute("select epoch from runner").fetchone()[0])

        epoch = int(await self._durably(work))
        if epoch == 0:
            raise NoSuchRun(f"no run {run_id}", where=str(self.path), hints=["castle runs"])
        self.epoch = epoch
        return epoch

    async def append(self, event: Event, *, durable: bool = False) -> Event:
        """Appends one event.

        Args:
            event: its data must be plain JSON values; anything else (a Secret above all) raises TypeError here.
            durable: return only after commit and fsync, with `seq` filled in. Otherwise return at once with
                `seq` 0: the event is in line, in order, and committed within about 20 ms.

        Raises:
            Busy: another runner took the journal over (or this one never did); nothing was written.
            Conflict: this attempt of this step has finished already.
            Permanent: no room on the disk, or another fault, also of an earlier event that was not durable.
        """
        if not durable:
            self.note(event)
            return event
        self._writer.raise_fault()
        seq = await self._durably(self._appending(event))
        self._writer.raise_fault()  # an event in line before this one may have been refused
        return dataclasses.replace(event, seq=seq)

    def note(self, event: Event) -> None:
        """Puts an event in line and returns at once; raises like `append`, for earlier events."""
        self._writer.raise_fault()
        self._writer.submit(self._appending(event), urgent=False)

    async def flush(self) -> None:
        """Returns when everything in line is on disk; raises what went wrong with any of it."""
        await self._durably(_touch)
        self._writer.raise_fault()

    async def close(self) -> None:
        """Writes what is in line and closes the file; raises like `flush`. The journal cannot be used afterwards."""
        if not self._writer.closing:
            try:
                await asyncio.wrap_future(self._writer.submit(_touch, urgent=True, last=True))
            finally:
                await asyncio.wrap_future(self._writer.closed)
        self._writer.raise_fault()

    async def request_cancel(self, run_id: str, by: str) -> None:
        """Leaves word for the runner that a person wants it to stop. Needs no epoch.

        Raises:
            NoSuchRun: no run of that id.
        """

        def work(connection: sqlite3.Connection) -> int:
            return connection.execute(_CANCEL, (by, run_id)).rowcount

        if await self._durably(work) == 0:
            raise NoSuchRun(f"no run {run_id}", where=str(self.path), hints=["castle runs"])

    async def _durably(self, work: Any) -> Any:
        return await asyncio.wrap_future(self._writer.submit(work, urgent=True))

    def _appending(self, event: Event) -> Any:
        body, epoch, path = _dump(event.data), self.epoch, self.path

        def work(connection: sqlite3.Connection) -> int:
            valid, run = connection.execute("select epoch, run_id from runner").fetchone()
            if epoch == 0 or valid != epoch:
                raise Busy(
                    "another runner has taken over this castle's journal",
                    where=str(path),
                    why=f"its epoch is {valid} (run {run or 'none'}), ours is {epoch}",
                    state="the event was not written, this runner does nothing more",
                    hints=["castle watch"],
                )
            seq = _insert(connection, event, body, epoch)
            _note_status(connection, event)
            return seq

        return work


def _touch(connection: sqlite3.Connection) -> None:
    """Changes nothing, but makes the commit one that is synced: SQLite skips the fsync of an empty one."""
    connection.execute("update runner set epoch = epoch")


def _dump(data: Mapping[str, Any]) -> str:
    return json.dumps(dict(data), ensure_ascii=False, allow_nan=False)


def _insert(connection: sqlite3.Connection, event: Event, body: str, epoch: int) -> int:
    row = (event.run, epoch, event.v, event.at, event.kind.value, event.step, event.attempt, body)
    return connection.execute(_INSERT, row).lastrowid or 0


def _note_status(connection: sqlite3.Connection, event: Event) -> None:
    """Keeps the copy in the run table: what `reduce` over the events gives."""
    if event.kind is Kind.RUN_STARTED:
        row: tuple[Any, ...] = (RunStatus.RUNNING.value, None, event.run)
    elif event.kind is Kind.RUN_FINISHED:
        status = event.data.get("status", "")
        row = (status if status in set(RunStatus) else RunStatus.FAILED.value, event.at, event.run)
    else:
        return
    connection.execute("update run set status = ?, finished_at = ? where id = ?", row)

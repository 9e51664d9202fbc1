"""The one thread that writes the journal, so that asyncio never waits for a disk.

Durable jobs are acknowledged after commit and fsync (`synchronous=full`). Other jobs wait up to GROUP_SECONDS for
company and are committed together, without an fsync of their own: a killed process loses none of them once committed,
a power cut may lose the newest; the next durable commit syncs them too, since the write-ahead log is one file. Order
is the order of submission in every case. Source: https://www.sqlite.org/pragma.html#pragma_synchronous
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ephemeral_castle.errors import Busy, Denied
from ephemeral_castle.journal.faults import explain, explained, is_full, no_room
from ephemeral_castle.journal.migrations import migrate
from ephemeral_castle.journal.reserve import Reserve

GROUP_SECONDS = 0.02
BUSY_MILLISECONDS = 30_000

Work = Callable[[sqlite3.Connection], Any]


@dataclass
class Job:
    """Something to do in a transaction. `urgent`: somebody waits for `done`, which tells of commit and fsync."""

    work: Work
    urgent: bool
    done: Future[Any] = field(default_factory=Future)
    last: bool = False


class Writer:
    """Owns the writing connection. Every method may be called from any thread.

    A job that nobody waits for may fail; its error is then raised by the next `submit` or `flush`, and jobs of a
    failed transaction that nobody waits for stay in line for the next one. When the disk is full the failed
    transaction is told, and the room that was kept is given up: what is submitted next, a run's end, finds room.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reserve = Reserve(path)
        self.fault: Exception | None = None
        self._closing = False
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._urgent = threading.Event()
        self._left_over: list[Job] = []
        self._durable = True
        self._opened: Future[None] = Future()
        self._closed: Future[None] = Future()
        self._thread = threading.Thread(target=self._serve, name="castle-journal", daemon=True)
        self._thread.start()

    @property
    def opened(self) -> Future[None]:
        """Done when the file is open and up to date; carries the error otherwise."""
        return self._opened

    @property
    def closing(self) -> bool:
        """Whether the last job was submitted."""
        return self._closing

    @property
    def closed(self) -> Future[None]:
        """Done when the last job is done and the file is closed."""
        return self._closed

    def submit(self, work: Work, *, urgent: bool, last: bool = False) -> Future[Any]:
        """Puts a job in line; the one marked `last` ends the thread."""
        if self._closing:
            raise RuntimeError("the journal is closed")
        self._closing = last
        job = Job(work, urgent, last=last)
        self._jobs.put(job)
        if urgent:
            self._urgent.set()
        return job.done

    def raise_fault(self) -> None:
        """Raises what went wrong with a job that nobody waited for. A lost epoch stays lost, all else is told once."""
        fault = self.fault
        if fault is not None:
            if not isinstance(fault, Busy):
                self.fault = None
            raise fault

    def _serve(self) -> None:
        try:
            connection = connect(self.path)
            self._keep_room(connection)
        except Exception as error:  # noqa: BLE001 - whoever opens the journal must be told, whatever it is
            self._opened.set_exception(error)
            return
        self._opened.set_result(None)
        while not self._round(connection):
            pass
        connection.close()
        self._closed.set_result(None)

    def _keep_room(self, connection: sqlite3.Connection) -> None:
        """A journal without room for its last words is not opened: better now than in the middle of a run."""
        try:
            self.reserve.take()
        except OSError as error:
            connection.close()
            if is_full(error, self.path):
                raise no_room(self.path, str(error)) from error
            raise Denied("cannot keep room for the journal", where=str(self.reserve.path), why=str(error)) from error

    def _round(self, connection: sqlite3.Connection) -> bool:
        """One transaction; tells whether it was the last."""
        jobs = [self._jobs.get()]
        if not jobs[0].urgent:
            self._urgent.wait(GROUP_SECONDS)
        self._urgent.clear()
        while not self._jobs.empty():  # this thread alone takes jobs out
            jobs.append(self._jobs.get_nowait())
        last = any(job.last for job in jobs)
        jobs, self._left_over = [*self._left_over, *jobs], []
        try:
            self._commit(connection, jobs)
        except Exception as error:  # noqa: BLE001 - a thread that dies would leave its callers waiting for ever
            if is_full(error, self.path):
                self.reserve.give_up()
            self._failed(jobs, explain(error, self.path) if isinstance(error, sqlite3.Error) else error)
        return last

    def _commit(self, connection: sqlite3.Connection, jobs: list[Job]) -> None:
        self._synchronous(connection, full=any(job.urgent for job in jobs))
        connection.execute("begin immediate")
        results: list[tuple[Job, Any, Exception | None]] = []
        try:
            for job in jobs:
                try:
                    results.append((job, job.work(connection), None))
                except sqlite3.IntegrityError as error:  # this statement alone is void, the transaction goes on
                    results.append((job, None, explain(error, self.path)))
            connection.execute("commit")
        except BaseException:
            if connection.in_transaction:
                connection.execute("rollback")
            raise
        for job, result, fault in results:
            self._tell(job, result, fault)

    def _synchronous(self, connection: sqlite3.Connection, *, full: bool) -> None:
        if full != self._durable:
            connection.execute(f"pragma synchronous = {'full' if full else 'normal'}")
            self._durable = full

    def _failed(self, jobs: list[Job], error: Exception) -> None:
        if not isinstance(error, Busy):
            self._left_over = [job for job in jobs if not job.urgent]
        waited_for = [job for job in jobs if job.urgent]
        if not waited_for or isinstance(error, Busy):
            self.fault = error  # before anybody is told: whoever wakes up must find it
        for job in waited_for:
            self._tell(job, None, error)

    def _tell(self, job: Job, result: Any, fault: Exception | None) -> None:
        if fault is not None and not job.urgent:
            self.fault = fault
        try:
            if fault is None:
                job.done.set_result(result)
            else:
                job.done.set_exception(fault)
        except InvalidStateError:
            pass  # whoever waited was cancelled; what was written stays written


def connect(path: Path) -> sqlite3.Connection:
    """Opens the file for writing, creates or migrates it, checks that it is whole.

    Raises:
        Damaged: it is no SQLite file, or its pages contradict one another.
        Permanent: a newer castle wrote it, or the disk is full.
        Denied: it cannot be opened.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        why = error.strerror or str(error)
        raise Denied("cannot open the journal", where=str(path), why=why, hints=[f"ls -ld {path.parent}"]) from error
    with explained(path):
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(f"pragma busy_timeout = {BUSY_MILLISECONDS}")
            found = connection.execute("pragma quick_check(1)").fetchone()[0]
            if found != "ok":
                damage = sqlite3.DatabaseError(found)
                damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise damage
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = full")
            connection.execute("pragma foreign_keys = on")
            migrate(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection

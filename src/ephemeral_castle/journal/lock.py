"""The local lock: one runner per castle on one computer.

An open file description lock of the kernel (fcntl(2), `F_OFD_SETLK`): it ends with the process however it ends, so
there is never a stale one to remove, children that are started later do not inherit it, and, unlike flock(2), others
can ask who holds it without taking it for a moment themselves. The file is never deleted: a deleted lock file lets
two processes hold two different ones.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import struct
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from ephemeral_castle.errors import Busy, Denied

DOWN = "down"  # stands for the run's id while `castle down` removes everything
_TOLD = 50  # looks, 10 ms apart, for the name of a holder who took the lock this instant


@dataclass(frozen=True)
class Holder:
    """Who holds the lock, as written by the holder itself. `since`: Unix seconds."""

    pid: int
    run: str
    host: str
    since: float


class LocalLock:
    """The lock in `path`; `acquire` it once and keep the object for the runner's whole life."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds it."""
        return self._descriptor is not None

    def acquire(self, run: str, since: float) -> None:
        """Takes it and writes down for whom.

        Args:
            run: id of the run.
            since: Unix seconds, now.

        Raises:
            Busy: another process holds it.
            Denied: the file cannot be opened.
        """
        descriptor = self._open()
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _flock(fcntl.F_WRLCK))
        except OSError as error:
            os.close(descriptor)
            if error.errno not in {errno.EAGAIN, errno.EACCES}:
                raise self._denied(error) from error
            raise self._busy() from None
        self._descriptor = descriptor
        self.sign(run, since)

    def sign(self, run: str, since: float) -> None:
        """Writes down that this process holds it: at once, and again by a child that it was handed over to."""
        holder = Holder(os.getpid(), run, os.uname().nodename, since)
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, json.dumps(asdict(holder)).encode(), 0)

    @property
    def descriptor(self) -> int:
        """The open file, for a child that is to hold the lock on; only while it is held."""
        if self._descriptor is None:
            raise RuntimeError("this lock is not held")
        return self._descriptor

    def hand_over(self) -> None:
        """Closes our copy of the file: a forked child that kept its own goes on holding; without one it is free."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def release(self) -> None:
        """Gives it back; no error when it is not held."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def holder(self) -> Holder | None:
        """Who holds it now, or None. Asking takes nothing and disturbs nobody."""
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._denied(error) from error
        try:
            answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _flock(fcntl.F_WRLCK))
            kind = struct.unpack_from("h", answer)[0]
            return None if kind == fcntl.F_UNLCK else _read(descriptor)
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        if self._descriptor is not None:
            raise RuntimeError("this lock is held already")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._denied(error) from error

    def _denied(self, error: OSError) -> Denied:
        return Denied("cannot use the castle's lock", where=str(self.path), why=error.strerror or str(error))

    def _busy(self) -> Busy:
        holder = self._named()
        since = f" since {datetime.fromtimestamp(holder.since, UTC):%Y-%m-%d %H:%M:%S} UTC" if holder.since else ""
        if holder.run == DOWN:
            why = f"process {holder.pid} removes it{since}"
            hint = "castle status, when that has ended"
            return Busy("castle down is removing this castle", why=why, state="nothing was changed", hints=[hint])
        return Busy(
            f"run {holder.run} holds this castle" if holder.run else "another run holds this castle",
            where=str(self.path),
            why=f"process {holder.pid or 'unknown'} holds the lock{since}"
            + (f" for run {holder.run}" if holder.run else ""),
            state="nothing was changed",
            hints=[f"castle cancel {holder.run}".rstrip(), f"castle watch {holder.run}".rstrip()],
        )

    def _named(self) -> Holder:
        """The holder, who writes down its name just after it took the lock."""
        holder = None
        for _ in range(_TOLD):
            holder = self.holder()
            if holder is None or holder.run:
                break
            threading.Event().wait(0.01)
        return holder or Holder(0, "", "", 0.0)


def _flock(kind: int) -> bytes:
    """`struct flock` over the whole file: type, whence, start, length, pid (0, as open file description locks ask)."""
    return struct.pack("hhqqi0q", kind, os.SEEK_SET, 0, 0, 0)


def _read(descriptor: int) -> Holder:
    try:
        return Holder(**json.loads(os.pread(descriptor, 4096, 0)))
    except (ValueError, TypeError):  # taken this instant and not yet written down
        return Holder(0, "", "", 0.0)

"""Which process is ours: a pid alone may belong to somebody else by now, a pid with its start time may not.

Source: proc(5), field 22 of /proc/PID/stat (clock ticks since boot), and its state letter.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ephemeral_castle.spi.world import Clock


@dataclass(frozen=True)
class ProcessMark:
    """One process of this boot. `command`: a digest of how it was started, to notice that it should be another."""

    pid: int
    started: int
    command: str = ""

    @classmethod
    def of(cls, pid: int, command: str = "") -> ProcessMark | None:
        """The mark of a running process, None when there is none with this pid (or only a zombie)."""
        stat = _stat(pid)
        return None if stat is None else cls(pid, stat, command)

    @classmethod
    def read(cls, path: Path) -> ProcessMark | None:
        """The mark in a file; None when there is no readable one."""
        try:
            raw = json.loads(path.read_text())
            return cls(int(raw["pid"]), int(raw["started"]), str(raw["command"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Stores the mark."""
        temporary = path.with_name(path.name + ".new")
        temporary.write_text(json.dumps(asdict(self)))
        temporary.replace(path)

    @property
    def alive(self) -> bool:
        """Whether this very process runs."""
        return _stat(self.pid) == self.started

    async def end(self, clock: Clock, *, patience: float = 5.0) -> None:
        """Asks it to end, then ends it after `patience` seconds; returns when it is gone."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = clock.monotonic() + patience
            if self.alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, number)
            while self.alive and clock.monotonic() < deadline:
                await clock.sleep(0.02)


def _stat(pid: int) -> int | None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # a child of ours that ended would stay in the table
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name in parentheses may hold anything
    return None if fields[0] in ("Z", "X") else int(fields[19])

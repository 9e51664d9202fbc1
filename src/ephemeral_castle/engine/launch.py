"""Starts the process that owns a run, so that it outlives the terminal."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path


def launch(run: str, state: Path, work: Callable[[], object], *, keep: int | None = None) -> int:
    """Runs `work` in a process of its own and gives its pid. `keep`: an open file that `work` needs, the castle's lock.

    It is a copy of this process, made while nothing else runs in it: what was read for planning need not be read
    again, which saves half of the time until the first step. Its output goes to `STATE/runs/RUN/runner.log`; it has
    a session of its own, so closing the terminal (SIGHUP) does not reach it, and it is no child of ours, so it leaves
    no trace here when it ends.
    """
    folder = state / "runs" / run
    folder.mkdir(parents=True, exist_ok=True)
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _become_runner(folder / "runner.log", writing, work, keep)
    os.close(writing)
    with os.fdopen(reading) as told:
        pid = int(told.read())
    os.waitpid(child, 0)
    return pid


def _become_runner(log: Path, told: int, work: Callable[[], object], keep: int | None) -> None:
    """Never returns. A second fork makes the runner nobody's child; the first one ends at once."""
    status = 1
    try:
        os.setsid()
        pid = os.fork()
        if pid:
            os.write(told, str(pid).encode())
            os._exit(0)
        _let_go(log, keep)
        work()
        status = 0
    except BaseException:  # noqa: BLE001 - nothing may come back into the caller's code
        with contextlib.suppress(OSError):
            traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()  # `_exit` flushes nothing
            sys.stderr.flush()
        os._exit(status)


def _let_go(log: Path, keep: int | None) -> None:
    """Own output, no input, of the caller's files none but `keep`, default signals."""
    null = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    limit = os.sysconf("SC_OPEN_MAX")
    os.closerange(3, limit if keep is None else keep)
    if keep is not None:
        os.closerange(keep + 1, limit)
    os.chdir("/")
    # By lines: what a runner says before it is killed must be in its log.
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, mode, 1) for n, mode in ((0, "r"), (1, "a"), (2, "a")))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN if number in (signal.SIGHUP, signal.SIGPIPE) else signal.SIG_DFL)

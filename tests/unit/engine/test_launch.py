"""A run outlives the terminal that started it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

# A terminal of its own, and no hang-up ignored because whoever ran the tests ignores it (nohup).
OWN_TERMINAL = """
import fcntl, signal, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""
STARTER = """
import sys, time, os, pathlib
from ephemeral_castle.engine.launch import launch
folder = pathlib.Path(sys.argv[1])
def work():
    print("the runner speaks")
    print("errors too", file=sys.stderr)
    (folder / "session").write_text(f"{os.getsid(0)} {os.getpid()} {os.getppid()} {os.getcwd()}")
    while not (folder / "go").exists():
        time.sleep(0.02)
    (folder / "done").write_text(repr(sys.stdin.read()))
pid = launch("run-1", folder, work)
(folder / "pid").write_text(str(pid))
time.sleep(60)
"""

BROKEN = """
import sys, pathlib
from ephemeral_castle.engine.launch import launch
def work():
    raise ValueError("no such castle")
launch("run-1", pathlib.Path(sys.argv[1]), work)
"""


def wait_for(path: Path) -> str:
    for _ in range(500):
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.02)
    raise AssertionError(f"{path.name} did not come")


def test_a_runner_survives_the_hang_up_of_the_terminal_that_started_it(tmp_path: Path) -> None:
    """The terminal is closed under the command: the kernel sends SIGHUP to its whole foreground group."""
    master, slave = pty.openpty()
    starter = subprocess.Popen(
        [sys.executable, "-c", f"{OWN_TERMINAL}\n{STARTER}", str(tmp_path)],
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    try:
        session, runner, _, folder = wait_for(tmp_path / "session").split()
        assert wait_for(tmp_path / "pid") == runner
        assert session != str(os.getsid(starter.pid)), "the runner has a session of its own"
        assert folder == "/"
        os.close(master)
        assert starter.wait(timeout=10) == -signal.SIGHUP, "the command itself went with its terminal"
        (tmp_path / "go").touch()
        assert wait_for(tmp_path / "done") == "''", "its standard input is empty"
    finally:
        starter.kill()
        starter.wait()
        (tmp_path / "go").touch()
    log = tmp_path / "runs" / "run-1" / "runner.log"
    deadline = time.monotonic() + 10
    while "errors too" not in log.read_text() or "speaks" not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
    assert log.stat().st_mode & 0o077 == 0, "what a runner says is nobody else's business"


def test_a_runner_that_breaks_leaves_its_trace_in_the_log_and_nothing_on_the_terminal(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", BROKEN, str(tmp_path)], capture_output=True, text=True, check=True, timeout=30
    )
    assert told.stdout + told.stderr == ""
    log = tmp_path / "runs" / "run-1" / "runner.log"
    for _ in range(500):
        if "no such castle" in log.read_text():
            return
        time.sleep(0.02)
    raise AssertionError(log.read_text())

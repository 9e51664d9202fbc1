from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ephemeral_castle.errors import Busy, Denied
from ephemeral_castle.journal.lock import DOWN, LocalLock

HOLD = """
import sys, pathlib
from ephemeral_castle.journal.lock import LocalLock
LocalLock(pathlib.Path(sys.argv[1])).acquire("r7", 0.0)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "lock"


def test_the_second_one_is_told_who_holds_it(path: Path) -> None:
    with LocalLock(path) as first:
        first.acquire("r1", 1_700_000_000.0)
        assert first.held
        with pytest.raises(Busy) as caught:
            LocalLock(path).acquire("r2", 0.0)
        text = caught.value.why + " ".join(caught.value.hints)
        for word in (str(os.getpid()), "r1", "2023-11-14 22:13:20 UTC", "castle watch r1", "castle cancel r1"):
            assert word in text
    second = LocalLock(path)
    second.acquire("r2", 0.0)
    second.release()
    second.release()


def test_asking_who_holds_it_takes_nothing(path: Path) -> None:
    lock = LocalLock(path)
    assert lock.holder() is None
    assert not path.exists()
    lock.acquire("r1", 5.0)
    holder = LocalLock(path).holder()
    assert holder is not None
    assert (holder.pid, holder.run, holder.host, holder.since) == (os.getpid(), "r1", os.uname().nodename, 5.0)
    lock.release()
    assert LocalLock(path).holder() is None


def test_kill_minus_nine_frees_it(path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stdout.readline() == "held\n"
    holder = LocalLock(path).holder()
    assert holder is not None
    assert holder.pid == child.pid
    with pytest.raises(Busy):
        LocalLock(path).acquire("r1", 0.0)
    child.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()
    assert LocalLock(path).holder() is None
    with LocalLock(path) as lock:
        lock.acquire("r1", 0.0)


def test_a_child_that_outlives_the_runner_does_not_keep_the_lock(path: Path) -> None:
    lock = LocalLock(path)
    lock.acquire("r1", 0.0)
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False)
    lock.release()
    again = LocalLock(path)
    again.acquire("r2", 0.0)
    again.release()
    child.communicate()


def test_a_holder_that_has_not_yet_written_its_name_is_still_a_holder(path: Path) -> None:
    lock = LocalLock(path)
    lock.acquire("r1", 0.0)
    path.write_bytes(b"")
    with pytest.raises(Busy, match="another run"):
        LocalLock(path).acquire("r2", 0.0)
    lock.release()


def test_a_lock_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Denied):
        LocalLock(tmp_path / "file" / "lock").acquire("r1", 0.0)


def test_a_forked_child_holds_the_lock_on_that_its_parent_handed_over(path: Path) -> None:
    lock = LocalLock(path)
    lock.acquire("r1", 0.0)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        lock.sign("r1", 5.0)
        os.read(reading, 1)
        os._exit(0)
    lock.hand_over()
    assert not lock.held
    with pytest.raises(Busy, match="run r1 holds this castle"):
        LocalLock(path).acquire("r2", 0.0)
    os.close(writing)
    os.close(reading)
    os.waitpid(child, 0)
    assert LocalLock(path).holder() is None


def test_a_castle_that_is_taken_down_has_no_run_to_watch(path: Path) -> None:
    with LocalLock(path) as lock:
        lock.acquire(DOWN, 0.0)
        with pytest.raises(Busy, match="castle down is removing") as caught:
            LocalLock(path).acquire("r2", 0.0)
        assert "watch" not in " ".join(caught.value.hints)

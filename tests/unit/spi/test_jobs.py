"""Jobs on this very computer: the same script runs on machines, through whatever way in."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ephemeral_castle.errors import Unreachable
from ephemeral_castle.spi.jobs import JobKey, Jobs, JobState
from ephemeral_castle.spi.world import Result
from ephemeral_castle.world.exec import LocalExec

KEY = JobKey("20261122-154501-3f9c", "backup")


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="castle-jobs-", dir="/dev/shm") as path:
        yield Path(path) / "jobs"


@pytest.fixture
def jobs(folder: Path) -> Jobs:
    return Jobs(enter, "this computer", str(folder))


async def enter(argv: Sequence[str], *, timeout: float) -> Result:
    return await LocalExec().run(argv, timeout=timeout)


def slow(mark: Path, seconds: float = 0.4, code: int = 0) -> list[str]:
    """Leaves one line per start in `mark`, works for a while, speaks on both streams."""
    script = f'echo begun >> "$1"; sleep {seconds}; echo out; echo err >&2; exit {code}'
    return ["sh", "-c", script, "slow", str(mark)]


def starts(mark: Path) -> int:
    return mark.read_text().count("begun") if mark.exists() else 0


async def until(jobs: Jobs, state: JobState, key: JobKey = KEY) -> int:
    for _ in range(500):
        status = await jobs.status(key)
        if status.state is state:
            return status.pid
        await asyncio.sleep(0.02)
    raise AssertionError(f"the job is {status.state}, not {state}")


async def text_of(path: Path) -> str:
    for _ in range(500):
        if said := read(path):
            return said
        await asyncio.sleep(0.02)
    raise AssertionError(f"nothing was written to {path}")


def read(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


def gone(pid: int | str) -> bool:
    """No such process, or only its entry in the table."""
    stat = read(Path(f"/proc/{pid}/stat"))
    return not stat or stat.rpartition(")")[2].split()[0] == "Z"


def below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


async def test_a_job_gives_exit_status_and_both_streams(jobs: Jobs, tmp_path: Path) -> None:
    result = await jobs.do(KEY, slow(tmp_path / "mark", 0, 56), timeout=10)
    assert result == Result(56, "out\n", "err\n")


async def test_arguments_arrive_as_they_are(jobs: Jobs) -> None:
    odd = ["printf", "%s|", "a b", "", "*", "$HOME", "'\"", "-n", "ü\n"]
    assert (await jobs.do(KEY, odd, timeout=10)).out == "a b||*|$HOME|'\"|-n|ü\n|"


async def test_killing_the_client_does_not_kill_the_job_and_who_comes_back_waits_for_it(
    jobs: Jobs, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(Unreachable):
        await jobs.do(KEY, slow(mark, 1.0), timeout=0.3)  # the time is up: the way in is killed, with its children
    pid = await until(jobs, JobState.RUNNING)
    assert os.getsid(pid) == pid
    assert await jobs.do(KEY, slow(mark), timeout=10) == Result(0, "out\n", "err\n")
    assert starts(mark) == 1


async def test_a_success_is_taken_over_unless_it_must_be_done_again(jobs: Jobs, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for _ in range(2):
        assert (await jobs.do(KEY, slow(mark, 0), timeout=10)).ok
    assert starts(mark) == 1
    assert (await jobs.do(KEY, slow(mark, 0), timeout=10, again=True)).ok
    assert starts(mark) == 2


async def test_a_failure_is_tried_again(jobs: Jobs, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for _ in range(2):
        assert (await jobs.do(KEY, slow(mark, 0, 3), timeout=10)).code == 3
    assert starts(mark) == 2


async def test_a_job_whose_processes_were_killed_is_lost_and_started_again(jobs: Jobs, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    await jobs.start(KEY, slow(mark, 30))
    os.killpg(await until(jobs, JobState.RUNNING), signal.SIGKILL)
    await until(jobs, JobState.LOST)
    with pytest.raises(Unreachable) as caught:
        await jobs.wait(KEY, timeout=5)
    assert "killed" in caught.value.why
    assert (await jobs.do(KEY, slow(mark, 0), timeout=10)).ok
    assert starts(mark) == 2


async def test_another_process_with_the_same_pid_is_not_taken_for_the_job(
    jobs: Jobs, folder: Path, tmp_path: Path
) -> None:
    job = folder / f"{KEY.run}.{KEY.name}"
    job.mkdir(parents=True)
    (job / "pid").write_text(f"{os.getpid()} 1\n")
    assert (await jobs.status(KEY)).state is JobState.LOST
    await jobs.stop(KEY)  # must not end this very test
    assert (await jobs.do(KEY, slow(tmp_path / "mark", 0), timeout=10)).ok


async def test_stop_ends_everything_that_the_job_started(jobs: Jobs, tmp_path: Path) -> None:
    child = tmp_path / "child"
    await jobs.start(KEY, ["sh", "-c", f"sleep 60 & echo $! > {child}; wait"])
    await until(jobs, JobState.RUNNING)
    grandchild = await text_of(child)
    status = await jobs.stop(KEY)
    assert status.state is JobState.ENDED
    assert status.code != 0
    assert gone(grandchild)


async def test_stop_of_a_job_that_is_not_there(jobs: Jobs) -> None:
    assert (await jobs.stop(KEY)).state is JobState.ABSENT


async def test_cancelling_who_waits_stops_the_job(jobs: Jobs, tmp_path: Path) -> None:
    waiting = asyncio.create_task(jobs.do(KEY, slow(tmp_path / "mark", 60), timeout=60))
    await until(jobs, JobState.RUNNING)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (await jobs.status(KEY)).state is JobState.ENDED


async def test_the_orphan_of_another_run_is_ended_before_a_new_one_starts(
    jobs: Jobs, folder: Path, tmp_path: Path
) -> None:
    orphan = JobKey("20261122-150000-aaaa", "backup")
    await jobs.start(orphan, slow(tmp_path / "old", 60))
    pid = await until(jobs, JobState.RUNNING, orphan)
    assert (await jobs.do(KEY, slow(tmp_path / "mark", 0), timeout=20)).ok
    assert (await jobs.status(orphan)).state is JobState.ABSENT
    assert gone(pid)
    assert {path.name for path in below(folder) if path.is_dir()} == {f"{KEY.run}.{KEY.name}"}


async def test_two_jobs_of_one_run_go_on_side_by_side(jobs: Jobs, tmp_path: Path) -> None:
    other = JobKey(KEY.run, "proof")
    await asyncio.gather(
        jobs.do(KEY, slow(tmp_path / "a"), timeout=10), jobs.do(other, slow(tmp_path / "b"), timeout=10)
    )
    assert starts(tmp_path / "a") == starts(tmp_path / "b") == 1


async def test_what_a_job_says_is_for_its_owner_only(jobs: Jobs, folder: Path, tmp_path: Path) -> None:
    await jobs.do(KEY, slow(tmp_path / "mark", 0), timeout=10)
    for path in (folder, *below(folder)):
        assert path.stat().st_mode & 0o077 == 0


async def test_a_way_in_that_fails_is_not_taken_for_the_job() -> None:
    async def broken(argv: Sequence[str], *, timeout: float) -> Result:
        del argv, timeout
        return Result(125, "", "Error: no such container")

    with pytest.raises(Unreachable) as caught:
        await Jobs(broken, "machine 431").do(KEY, ["true"], timeout=1)
    assert "no such container" in caught.value.why


@pytest.mark.parametrize("name", ["", "a/b", "..", "-x", "a b", secrets.token_hex(80)])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(ValueError, match="key"):
        JobKey("run", name)

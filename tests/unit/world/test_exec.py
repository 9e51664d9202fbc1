from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from ephemeral_castle.errors import Permanent, Unreachable
from ephemeral_castle.world.exec import LocalExec, command_line

PYTHON = sys.executable


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


def content(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def gone(pid: int) -> bool:
    for _ in range(200):
        if not alive(pid):
            return True
        await asyncio.sleep(0.01)
    return False


async def written(path: Path) -> str:
    for _ in range(500):
        if text := content(path):
            return text
        await asyncio.sleep(0.01)
    raise AssertionError(f"{path} was never written")


async def test_gives_status_and_both_streams():
    result = await LocalExec().run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (result.code, result.out, result.err) == (3, "out\n", "err\n")
    assert not result.ok


async def test_reads_both_streams_at_once():
    # More than a pipe holds, on both: reading one after the other would block for ever.
    script = "import sys; sys.stderr.write('e' * 300000); sys.stdout.write('o' * 300000); sys.stderr.write('!')"
    result = await LocalExec().run([PYTHON, "-c", script], timeout=20)
    assert (len(result.out), len(result.err)) == (300000, 300001)


async def test_signal_is_a_negative_status():
    assert (await LocalExec().run(["sh", "-c", "kill -9 $$"])).code == -9


async def test_standard_input_is_given_or_closed():
    assert (await LocalExec().run(["cat"], stdin=b"line")).out == "line"
    assert (await LocalExec().run(["cat"], timeout=5)).out == ""


async def test_environment_is_not_inherited(monkeypatch):
    monkeypatch.setenv("CASTLE_TEST_SECRET", "leak")
    result = await LocalExec().run(["env"], env={"EXTRA": "1"})
    names = {line.partition("=")[0] for line in result.out.splitlines()}
    assert names == {"PATH", "HOME", "LANG", "EXTRA"}


async def test_path_has_the_system_directories(monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin")
    result = await LocalExec().run(["/usr/bin/printenv", "PATH"])
    assert "/usr/sbin" in result.out.strip().split(":")


async def test_undecodable_output_is_replaced():
    assert (await LocalExec().run(["printf", r"\377"])).out == "�"


async def test_missing_program_is_permanent_and_named():
    with pytest.raises(Permanent, match="no-such-program is not installed"):
        await LocalExec().run(["no-such-program", "x"])


async def test_program_without_the_right_to_run(tmp_path):
    path = tmp_path / "plain"
    path.write_text("text")
    with pytest.raises(Permanent) as caught:
        await LocalExec().run([str(path)])
    assert "Permission denied" in caught.value.why


async def test_timeout_ends_the_whole_tree(tmp_path):
    child = tmp_path / "child"
    # The grandchild ignores SIGTERM and the leader ends by it: only the group's SIGKILL reaches it.
    script = f"(trap '' TERM; echo $BASHPID > {child}; while :; do sleep 0.05; done) & wait"
    with pytest.raises(Unreachable) as caught:
        await LocalExec().run(["bash", "-c", script], timeout=0.5)
    assert "0.5 s" in caught.value.why
    assert await gone(int(child.read_text()))


async def test_cancelling_ends_the_process(tmp_path):
    pid_file = tmp_path / "pid"
    task = asyncio.create_task(LocalExec().run(["sh", "-c", f"echo $$ > {pid_file}; exec sleep 100"]))
    pid = int(await written(pid_file))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(pid)


async def test_has_its_own_session():
    result = await LocalExec().run([PYTHON, "-c", "import os; print(os.getsid(0) == os.getpid())"])
    assert result.out.strip() == "True"


async def test_conversation_in_lines():
    process = await LocalExec().spawn(["cat"])
    try:
        await process.write("one\ntwo\n")
        assert [await process.read_line(5), await process.read_line(5)] == ["one", "two"]
    finally:
        assert await process.close() == 0


async def test_end_of_stream_is_none_and_a_last_line_without_end_counts():
    process = await LocalExec().spawn(["printf", "a\\nb"])
    assert [await process.read_line(5) for _ in range(3)] == ["a", "b", None]
    await process.close()


async def test_silence_is_unreachable_and_loses_nothing():
    process = await LocalExec().spawn(["sh", "-c", "printf half; read x; echo $x"])
    try:
        with pytest.raises(Unreachable, match="does not answer"):
            await process.read_line(0.2)
        await process.write("done\n")
        assert await process.read_line(5) == "halfdone"
    finally:
        await process.close()


async def test_writing_to_a_dead_process_says_why():
    process = await LocalExec().spawn(["sh", "-c", "echo broken >&2; exit 4"])
    assert await process.read_line(5) is None
    with pytest.raises(Unreachable) as caught:
        for _ in range(50):
            await process.write("x\n")
            await asyncio.sleep(0.01)
    assert "broken" in caught.value.why
    assert await process.close() == 4


async def test_close_ends_who_does_not_go():
    process = await LocalExec().spawn(["bash", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"])
    assert await process.read_line(5) == "ready"
    assert await process.close() == -9
    assert await gone(process.pid)


async def test_close_does_not_wait_for_a_child_that_keeps_the_pipes():
    process = await LocalExec().spawn(["sh", "-c", "setsid sleep 3 & echo started"])
    assert await process.read_line(5) == "started"
    async with asyncio.timeout(2.5):
        await process.close()


def test_command_line_is_quoted_and_cut():
    assert command_line(["sh", "-c", "a b"]) == "sh -c 'a b'"
    assert len(command_line(["x" * 500])) == 160

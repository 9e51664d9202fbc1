"""The carrier of sessions, run for real with a shell in the place of psql."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ephemeral_castle.drivers.postgres.hub import CARRIER, Hub
from ephemeral_castle.errors import Unreachable
from ephemeral_castle.world.exec import LocalExec


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    session = tmp_path / "session"
    session.write_text('echo "db $1" >&2\nexec sh\n')
    carrier = tmp_path / "carrier"
    carrier.write_text(CARRIER.replace("/usr/local/bin/castle-session", str(session)))
    opened = Hub(await LocalExec().spawn(["perl", str(carrier)]))
    yield opened
    await opened.close()


async def test_two_sessions_do_not_mix_their_lines(hub: Hub) -> None:
    first, second = await hub.open("app"), await hub.open("postgres")
    await first.write("echo one | tr o 0\necho a#b|cat\n")
    await second.write("echo two!\n")
    assert await second.read_line(10) == "two!"
    assert await first.read_line(10) == "0ne"
    assert await first.read_line(10) == "a#b"


async def test_an_ended_session_says_so_and_leaves_the_others(hub: Hub) -> None:
    first, second = await hub.open("app"), await hub.open("postgres")
    await first.write("echo last words >&2; exit 7\n")
    assert await first.read_line(10) is None
    assert first.status == 7
    assert first.errors.splitlines() == ["db app", "last words"]
    with pytest.raises(Unreachable):
        await first.write("echo more\n")
    await second.write("echo here\n")
    assert await second.read_line(10) == "here"


async def test_long_lines_pass_whole(hub: Hub) -> None:
    session = await hub.open("app")
    await session.write("head -c 300000 /dev/zero | tr '\\0' x; echo\n")
    line = await session.read_line(20)
    assert line is not None
    assert len(line) == 300000


async def test_no_answer_in_time_is_unreachable(hub: Hub) -> None:
    session = await hub.open("app")
    with pytest.raises(Unreachable, match="no answer"):
        await session.read_line(0.05)


async def test_the_end_of_the_carrier_ends_all_sessions(hub: Hub) -> None:
    session = await hub.open("app")
    await hub.process.close()
    assert await session.read_line(10) is None
    with pytest.raises(Unreachable):
        await session.write("echo\n")

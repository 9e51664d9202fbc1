"""What a look at machines and databases says about a raise that might have nothing to do."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from ephemeral_castle.drivers.podman.fleet import Seen
from ephemeral_castle.drivers.podman.within import Within
from ephemeral_castle.drivers.postgres.settled import _judge
from ephemeral_castle.errors import Unreachable
from ephemeral_castle.world.exec import LocalExec


def rows(*, fenced: bool = False, password: str = "v", rests: str = "f") -> list[str]:
    limit = {"name": "app", "limit": -1, "read_only": None, "fenced": fenced}
    return [json.dumps([limit]), json.dumps({"app": hashlib.sha256(password.encode()).hexdigest()}), rests]


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (rows(), ""),
        (rows(fenced=True), "fenced"),
        (rows(rests="t"), "the heartbeat rests"),
        (rows(password="another"), "app: another password"),
    ],
)
def test_a_database_is_as_a_raise_would_leave_it_or_not(seen: list[str], said: str) -> None:
    why = _judge(seen, {"app": "v"})
    assert said in why
    assert bool(why) == bool(said)


def test_a_user_that_is_not_there_is_seen() -> None:
    assert "report" in _judge(rows(), {"app": "v", "report": "w"})


@pytest.mark.parametrize("groups", ["0::/libpod_parent/libpod-other\n", None])
async def test_a_process_number_that_is_somebody_elses_by_now_is_not_entered(
    tmp_path: Path, groups: str | None
) -> None:
    if groups is not None:
        (tmp_path / "7").mkdir()
        (tmp_path / "7" / "cgroup").write_text(groups)
    seen = Seen("container", "abc", "c-1-431", ours=True, life=1, machine="data", running=True, pid=7)
    with pytest.raises(Unreachable):
        await Within(LocalExec(), seen, tmp_path).run(["true"])

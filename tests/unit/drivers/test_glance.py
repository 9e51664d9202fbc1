"""One question to a machine, and every answer that it can give."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ephemeral_castle.drivers.postgres.glance import END, glance
from ephemeral_castle.drivers.postgres.layout import OWN
from ephemeral_castle.drivers.postgres.look import look
from ephemeral_castle.drivers.postgres.machine import MachinePlace
from ephemeral_castle.errors import Transient
from ephemeral_castle.spi.world import Result

LIMITS = json.dumps([{"name": "app", "limit": -1, "read_only": None, "fenced": False}])
ARCHIVER = json.dumps({"failed": 0, "last_failed": None, "failing": False, "age": 4.5})
INFO = json.dumps(
    [
        {
            "name": "castle",
            "status": {"code": 2, "message": "no valid backups"},
            "db": [{"id": 1, "system-id": 7, "version": "15", "repo-key": 1}],
            "archive": [],
            "backup": [],
            "cipher": "aes-256-cbc",
        }
    ]
)


class Machine:
    """A context whose machine gives one answer, and counts how often it was asked."""

    def __init__(self, answer: Result) -> None:
        self.answer = answer
        self.asked: list[list[str]] = []
        self.record = SimpleNamespace(lineage={"database": {}})
        self.layer = SimpleNamespace(id="database", driver="postgres")
        self.options = SimpleNamespace(machine="data", pooler="edge", namespace=None)
        self.life = self.old_life = 1
        self.world = SimpleNamespace(clock=SimpleNamespace(now=lambda: 100.0))

    async def run(self, argv: list[str], **_: Any) -> Result:
        self.asked.append(argv)
        return self.answer

    async def machine(self, name: str, *, old: bool) -> Any:
        del name, old
        return SimpleNamespace(id=431, transport=self)


async def seen(*answer: Any) -> tuple[dict[str, Any], Machine]:
    """What `look` makes of one answer of the machine."""
    machine = Machine(Result(*answer))
    found = await look(cast("Any", machine), cast("Any", None))
    return dict(found), machine


def said(status: int = 0, rows: str = f"{LIMITS}\n{ARCHIVER}\n", info: str = INFO) -> str:
    return f"running\n{rows}{END}{status}\n{info}\n"


async def test_a_database_that_is_up_costs_one_way_in():
    """Container, sessions and repository were three ways in, each with a podman inside: 0.6 s more."""
    found, machine = await seen(0, said(), "")
    assert found["states"] == ["up"]
    assert found["unseen"] == []
    assert found["treasures"]["database"]["archiving"] == {"healthy": True, "detail": ""}
    assert found["treasures"]["database"]["rpo"]["seconds"] == 4.5
    assert found["treasures"]["database"]["backup"] == {}
    assert len(machine.asked) == 1


async def test_a_fence_is_seen():
    found, _ = await seen(0, said(rows=LIMITS.replace("false", "true") + f"\n{ARCHIVER}\n"), "")
    assert found["states"] == ["sealed"]
    assert "nobody can write" in found["alarms"][0]["text"]


@pytest.mark.parametrize(("answer", "state"), [((0, "exited\n", ""), "exited"), ((1, "", "no such object"), "absent")])
async def test_a_container_that_does_not_run_is_down(answer, state):
    found, _ = await seen(*answer)
    assert found["states"] == ["down"]
    assert f"is {state}" in found["alarms"][0]["text"]


async def test_a_server_that_does_not_answer_is_unknown_and_its_backups_are_still_shown():
    """The look waited an hour for a session."""
    found, _ = await seen(0, said(2, "psql: error: the database system is starting up\n"), "")
    assert found["states"] == ["unknown"]
    assert "the database system is starting up" in found["unseen"][0]
    assert found["treasures"]["database"]["backup"] == {}


async def test_a_repository_that_cannot_be_read_is_not_an_empty_one():
    found, _ = await seen(0, said(info=""), "")
    assert found["states"] == ["up"]
    assert "pgBackRest gives no answer" in found["unseen"][0]
    assert "backup" not in found["treasures"]["database"]


async def test_a_container_that_cannot_be_entered_is_unknown():
    found, _ = await seen(1, "running\n", "nsenter: cannot open /proc/7/ns/mnt")
    assert found["states"] == ["unknown"]
    assert "nsenter: cannot open" in found["unseen"][0]


async def test_a_podman_that_cannot_tell_is_not_an_absent_container():
    place = MachinePlace(cast("Any", Machine(Result(125, "", "database disk image is malformed"))), old=True)
    with pytest.raises(Transient):
        await glance(place, OWN)


async def test_damage_in_the_repository_is_told():
    found, _ = await seen(0, said(info="[]"), "")
    assert "backups of `database`" in found["unseen"][0]
    assert found["states"] == ["up"]

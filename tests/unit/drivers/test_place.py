"""Where a database is looked for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ephemeral_castle.drivers.postgres.machine import MachinePlace
from ephemeral_castle.drivers.postgres.place import Standing
from ephemeral_castle.errors import Transient
from ephemeral_castle.postgres.states import Absent, HalfRestored, Unknown
from ephemeral_castle.spi.world import Result


class Ways:
    """A context whose machines answer with one result."""

    def __init__(self, lineage: dict[str, Any], answer: Result | None = None) -> None:
        self.record = SimpleNamespace(lineage={"database": lineage})
        self.layer = SimpleNamespace(id="database", driver="postgres")
        self.options = SimpleNamespace(machine="control", pooler="edge")
        self.answer = answer
        self.asked: list[str] = []

    async def run(self, *_: Any, **__: Any) -> Result:
        assert self.answer is not None
        return self.answer

    async def machine(self, name: str, *, old: bool) -> Any:
        del old
        self.asked.append(name)
        return SimpleNamespace(id=431, transport=self)


@pytest.mark.parametrize(("old", "name"), [(True, "data"), (False, "control")])
async def test_a_standing_database_is_looked_for_where_it_was_raised(old: bool, name: str) -> None:
    """A definition that moved it to another machine made the living one "proven absent", and it was destroyed."""
    ways = Ways({"machine": "data"})
    await MachinePlace(cast("Any", ways), old=old).machine()
    assert ways.asked == [name]


@pytest.mark.parametrize(
    ("said", "standing"),
    [
        ("running\n", Standing("running", None)),
        ("absent\nno volume\n", Standing("absent", Absent())),
        ("absent\nnothing\n", Standing("absent", HalfRestored(ours=False))),
        ("exited\nunread global/pg_control\n", Standing("exited", Unknown("global/pg_control cannot be read"))),
    ],
)
async def test_container_and_volume_are_seen_together(said: str, standing: Standing) -> None:
    assert await MachinePlace(cast("Any", Ways({}, Result(0, said, ""))), old=True).standing() == standing


async def test_a_podman_that_cannot_tell_is_not_a_missing_volume() -> None:
    """A broken podman inside the machine passed for "no volume", and the data were destroyed unsealed."""
    with pytest.raises(Transient):
        broken = Ways({}, Result(125, "", "database disk image is malformed"))
        await MachinePlace(cast("Any", broken), old=True).standing()

"""The database finds its ground whatever it `needs`: a ground that is not found must not pass for an empty one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ephemeral_castle.drivers.postgres.desk import Desk
from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.drivers.postgres.prepare import Revive
from ephemeral_castle.model.castle import Layer, Role
from ephemeral_castle.model.step import State


def context(needs: tuple[str, ...], facts: dict[str, Any]) -> Any:
    database = Layer("database", Role.TREASURES, "postgres", needs=needs)
    ground = Layer("machines", Role.GROUND, "podman")
    site = SimpleNamespace(layers=(database, ground))
    return cast("Any", SimpleNamespace(
        layer=database, options=SimpleNamespace(namespace=None), request=SimpleNamespace(site=site),
        passed_no_return=False, record=SimpleNamespace(lineage={}),
        facts=lambda step: facts if step == "machines.revive" else {},
    ))  # fmt: skip


@pytest.mark.parametrize("needs", [(), ("uploads",), ("uploads", "machines"), ("machines",)])
def test_a_database_without_the_ground_in_its_needs_was_taken_for_absent(needs):
    part = Part(context(needs, {"volumes": ["here-1-431"]}), Desk())
    assert part.facts_of_ground()["volumes"] == ["here-1-431"]


async def test_a_ground_that_listed_nothing_is_not_an_empty_one():
    seen = await Revive(context(("machines",), {}), Desk()).observe()
    assert seen.state is State.UNKNOWN
    seen = await Revive(context(("machines",), {"volumes": []}), Desk()).observe()
    assert (seen.state, seen.facts["presence"]) == (State.REACHED, "absent")

"""What may be destroyed: the standing life, never one that a broken run left beside it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ephemeral_castle.drivers.podman.driver import PodmanDriver
from ephemeral_castle.drivers.podman.fleet import Fleet, Seen
from ephemeral_castle.errors import Refused


class Listed:
    """A fleet that is only looked at."""

    def __init__(self, *seen: Seen) -> None:
        self.seen = list(seen)

    async def all(self) -> list[Seen]:
        return self.seen


def machine(life: int, *, ours: bool = True) -> Seen:
    return Seen("container", f"id{life}", f"here-{life}-431", ours, life, "data", True)


def context() -> Any:
    return SimpleNamespace(old_life=1, facts=lambda _: {}, record=SimpleNamespace(inventory={}))


async def test_machines_of_another_life_are_not_swept_along() -> None:
    """After a broken rebirth `castle wipe` destroyed the new life, which took writes and was never sealed."""
    fleet = cast("Fleet", Listed(machine(1), machine(2)))
    step = cast("Any", SimpleNamespace(id="machines.inventory"))
    with pytest.raises(Refused, match="life 2"):
        await PodmanDriver()._inventory(fleet, step, context())


async def test_strangers_are_neither_counted_nor_touched() -> None:
    fleet = cast("Fleet", Listed(machine(1), machine(7, ours=False)))
    step = cast("Any", SimpleNamespace(id="machines.inventory"))
    seen = await PodmanDriver()._inventory(fleet, step, context())
    assert [item["life"] for item in seen.facts["inventory"]] == [1]

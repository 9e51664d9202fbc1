"""Driver `compose` keeps to the contract of all drivers."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import pytest

from ephemeral_castle.drivers.compose import ComposeDriver
from ephemeral_castle.drivers.compose.steps import RAISING
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.model.record import Record
from ephemeral_castle.spi import contract
from ephemeral_castle.spi.world import Result

pytestmark = pytest.mark.evidence("simulated", "podman-compose")

OPTIONS = ComposeDriver.Options(projects={"data": "data", "edge": "edge"}, secrets={"token": "blog/token"})
LAYER = Layer("blog", Role.WALLS, "compose", ("machines", "database"))
GROUND = Layer("machines", Role.GROUND, "podman", options={"machines": {"data": {"id": 431}, "edge": {"id": 432}}})
SITE = Site("here", (GROUND, Layer("database", Role.TREASURES, "postgres", ("machines",)), LAYER), "10.0.0.0/24")
LOOKS = {"see", "moving", "waiting"}


def given(verb: Verb) -> Collection[str]:
    return ("machine:data", "machine:edge") if verb in RAISING else ()


def answer(argv: Any, _stdin: bytes) -> Result:
    lists: dict[str, list[str]] = {"containers": [], "services": [], "running": [], "names": [], "idle": []}
    return Result(0, json.dumps({"digest": "", "tool": False, "unwell": [], **lists}), "")


def subject() -> contract.Subject:
    return contract.Subject(
        make=ComposeDriver,
        layer=LAYER,
        options=OPTIONS,
        castle=Castle("c", Treasury("b", "c"), {"here": SITE}),
        site=SITE,
        record=Record("c", "c", "age1toy", 1, site="here"),
        given=given,
        reads=lambda argv, stdin: len(argv) > 3 and argv[3] in LOOKS,
        facts={
            "blog.source": {"sha": "0" * 40, "ref": "main", "subject": "as it was"},
            "blog.images": {"images": {}},
            "machines.revive": {"containers": ["c-1-431"]},
        },
        answer=answer,
    )


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_to_the_contract(check: Any) -> None:
    check(subject())

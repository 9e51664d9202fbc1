"""The heartbeat of a database that an operator runs: a client of castle's own, and nothing in the server's pods."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ephemeral_castle.drivers.postgres.pgo import heartbeat
from ephemeral_castle.drivers.postgres.pgo.clearing import Listing
from ephemeral_castle.drivers.postgres.pgo.heartbeat import Heartbeat
from ephemeral_castle.model.step import State
from ephemeral_castle.spi.kubernetes import Ref
from ephemeral_castle.spi.secret import Secret
from tests.unit.drivers.postgres.operated import options, serving
from tests.unit.drivers.postgres.test_pgo_bad_days import installed, part

BEATS = Ref("apps/v1", "Deployment", "db-heartbeat", "data")
KEPT = Ref("v1", "Secret", "db-heartbeat", "data")


class Keys:
    """Every secret is there."""

    async def get(self, name: str) -> Secret:
        return Secret(f"the-word-of-{name}")


class Server:
    """A session with a server whose row is as old as it is told."""

    def __init__(self, at: float | None) -> None:
        self.at = at
        self.asked: list[str] = []

    async def ask(self, text: str) -> list[str]:
        self.asked.append(text)
        return []

    async def value(self, _: str) -> str:
        return "100.0"

    async def json(self, text: str) -> Any:
        return {"missing": ["castle_heartbeat"]} if "missing" in text else (self.at and {"at": self.at, "lsn": "0/1"})


def beater(at: float | None, **more: Any) -> tuple[Any, Server]:
    server = Server(at)
    made = part(Heartbeat, installed(*serving(2)), secrets=Keys(), **more)

    async def session(**_: Any) -> Server:
        return server

    made.session = session
    return made, server


async def test_it_beats_by_a_role_that_may_write_its_row_and_nothing_else() -> None:
    made, server = beater(101.0)
    there = await made.ctx.cluster()
    assert (await made.act()).detail == "every 10 s"
    words = " ".join(server.asked)
    assert "CREATE ROLE" in words
    assert "SCRAM-SHA-256$" in words
    assert "the-word" not in words
    assert "SUPERUSER" not in words
    pod = there.objects[BEATS]["spec"]["template"]
    assert pod["spec"]["containers"][0]["image"] == "postgres:17"
    assert "the-word" not in json.dumps(pod)
    assert (
        f"{'postgres-operator.crunchydata.com'}/cluster" not in pod["metadata"]["labels"]
    )  # not one of the operator's
    assert (await made.observe()).state is State.NOT_REACHED  # 101 s after 1970 is no row of late
    server.at = made.ctx.world.clock.now()
    assert (await made.observe()).state is State.REACHED


async def test_another_interval_is_another_heartbeat() -> None:
    made, server = beater(101.0)
    await made.act()
    server.at = made.ctx.world.clock.now()
    assert (await made.observe()).state is State.REACHED
    made.ctx.options = options(heartbeat="1s")
    assert not await Heartbeat(made.ctx, made.desk).made()


async def test_a_heartbeat_that_does_not_come_is_told_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database serves; only what a sudden death would cost cannot be bounded."""
    monkeypatch.setattr(heartbeat, "PATIENCE", 1.0)
    told: list[str] = []
    made, _ = beater(None, diagnostic=lambda _, text: told.append(text))
    assert (await made.act()).state is State.REACHED
    assert "has no bound" in told[0]
    assert "kubectl -n data logs deployment/db-heartbeat" in told[0]


async def test_it_goes_with_the_database() -> None:
    made, _ = beater(101.0)
    await made.act()
    there = await made.ctx.cluster()
    listed = await part(Listing, there).observe()
    assert [each["name"] for each in listed.facts["inventory"]].count("db-heartbeat") == 2

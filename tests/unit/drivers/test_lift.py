"""What rests while the fence is closed goes on when it is lifted, and where there was no fence."""

from __future__ import annotations

import json
from typing import Any, cast

from ephemeral_castle.drivers.postgres.layout import OWN, Layout
from ephemeral_castle.drivers.postgres.service import Lift
from ephemeral_castle.model.step import State
from ephemeral_castle.postgres import fence


class Server:
    """A session with a server whose heartbeat rests, or does not, and whose databases are fenced, or are not."""

    def __init__(self, *, fenced: bool, rests: bool) -> None:
        self.limits = json.dumps([{"name": "app", "limit": -1, "read_only": None, "fenced": fenced}])
        self.rests = rests
        self.asked: list[str] = []

    async def value(self, text: str) -> str:
        if text == fence.LIMITS:
            return self.limits
        return "t" if self.rests else "f"

    async def ask(self, text: str) -> list[str]:
        self.asked.append(text)
        self.rests = self.rests and text != OWN.unquiet
        return []


def lift(server: Server) -> Lift:
    class Here(Lift):
        @property
        def layout(self) -> Layout:
            return OWN

        async def session(self, *_: Any, **__: Any) -> Any:
            return server

    return cast("Lift", Here.__new__(Here))


async def test_a_heartbeat_that_rests_since_an_unplanned_death_goes_on():
    """Data brought home without a fence left the heartbeat resting: an RPO alarm from then on, for ever."""
    server = Server(fenced=False, rests=True)
    assert (await lift(server).observe()).state is State.NOT_REACHED
    await lift(server).act()
    assert server.asked[0] == OWN.unquiet
    assert (await lift(server).observe()).state is State.REACHED


async def test_a_fence_is_still_to_be_lifted():
    assert (await lift(Server(fenced=True, rests=False)).observe()).state is State.NOT_REACHED


async def test_a_life_without_a_fence_has_nothing_to_lift():
    assert (await lift(Server(fenced=False, rests=False)).observe()).state is State.REACHED

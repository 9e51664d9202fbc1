"""Looking at the fence ends nobody's session: only raising it does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ephemeral_castle.drivers.postgres.desk import Desk
from ephemeral_castle.drivers.postgres.seal import Fence
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import State
from ephemeral_castle.postgres import fence
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.rehearsal import Doors
from tests.contract.test_contract import CASTLE, SITE, reads, subject

pytestmark = pytest.mark.evidence("simulated", "postgresql")

LIMIT = {"name": "app", "limit": -1, "read_only": None, "fenced": True}
WRITER = {
    "pid": 7,
    "user": "app",
    "database": "app",
    "application": "",
    "address": None,
    "kind": "",
    "superuser": False,
}


class Conversation:
    """A session on which one client is left behind the fence."""

    def __init__(self) -> None:
        self.changed: list[str] = []

    async def value(self, text: str) -> str:
        if text == fence.LIMITS:
            return json.dumps([LIMIT])
        return json.dumps([WRITER]) if text == fence.writers([]) else "0"

    async def json(self, text: str) -> Any:
        return []

    async def ask(self, text: str) -> None:
        self.changed.append(text)


async def test_observing_a_fence_with_a_client_behind_it_terminates_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    conversation = Conversation()

    async def session(self: Fence, *names: str, **more: Any) -> Conversation:
        return conversation

    monkeypatch.setattr(Fence, "session", session)
    database = subject("database")
    context = database.context(Request(Verb.REBIRTH, CASTLE, SITE), Doors(database.answer, reads))
    desk = Desk()
    monkeypatch.setattr(desk, "known", lambda life: True)
    seen = await Fence(context, desk).observe()
    assert seen.state is State.NOT_REACHED
    assert "sessions are still there" in seen.detail
    assert conversation.changed == []

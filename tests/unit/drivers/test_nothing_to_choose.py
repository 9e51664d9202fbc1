"""Words that choose what is brought home, while the database is here."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ephemeral_castle.drivers.postgres import survey
from ephemeral_castle.drivers.postgres.desk import Desk
from ephemeral_castle.drivers.postgres.survey import Survey
from ephemeral_castle.errors import Refused
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.spi.driver import Request

LAYER = Layer("database", Role.TREASURES, "postgres")
SITE = Site("here", (LAYER,))
CASTLE = Castle("tazlab", Treasury("vault", "tazlab"), {"here": SITE})


def look(monkeypatch: pytest.MonkeyPatch, verb: Verb, presence: str, **words: Any) -> Any:
    """What a survey answers that finds the database `presence`."""

    async def nothing(*_: Any, **__: Any) -> None:
        return None

    async def found(*_: Any) -> dict[str, Any]:
        return {"presence": presence, "plan": "restore", "reason": "seen"}

    monkeypatch.setattr(survey, "repository", nothing)
    for name in ("_presence", "_standing", "_returning"):
        monkeypatch.setattr(Survey, name, found)
    access = SimpleNamespace(bucket="vault", prefix="tazlab")
    world = SimpleNamespace(access=access, computer={"id": "one"})
    ctx = SimpleNamespace(
        request=Request(verb, CASTLE, SITE, **words),
        layer=LAYER,
        options=None,
        world=world,
        record=SimpleNamespace(site="here", computer="one", lineage={}),
        facts=lambda step: {},
        decided=lambda *_, **__: None,
    )
    return asyncio.run(Survey(cast("Any", ctx), Desk()).act())


@pytest.mark.parametrize("verb", [Verb.REBIRTH, Verb.RAISE])
@pytest.mark.parametrize(
    ("word", "flag"),
    [
        ({"new": True}, "--new"),
        ({"set_label": "20261122-032815F"}, "--set"),
        ({"accept_loss_after": "0/5000000"}, "--accept-loss-after"),
    ],
)
def test_a_chosen_backup_was_ignored_while_the_database_was_here(
    monkeypatch: pytest.MonkeyPatch, verb: Verb, word: dict[str, Any], flag: str
) -> None:
    """`castle rebirth --set LABEL` sealed the living database and brought that back; the word was not mentioned."""
    with pytest.raises(Refused, match="the database is here") as refused:
        look(monkeypatch, verb, "present", **word)
    assert refused.value.exit_code == 9
    assert flag in refused.value.message
    assert refused.value.state == "nothing was changed"


def test_the_words_are_heard_where_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = look(monkeypatch, Verb.REBIRTH, "absent", set_label="20261122-032815F")
    assert answer.facts["presence"] == "absent"


def test_without_words_a_standing_database_is_surveyed_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    assert look(monkeypatch, Verb.RAISE, "present").facts["presence"] == "present"

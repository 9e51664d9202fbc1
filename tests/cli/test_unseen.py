"""A look that could not see must never pass for a look that saw nothing wrong."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.cli.conftest import FakeWiring

from ephemeral_castle.cli import online
from ephemeral_castle.errors import Denied, Unreachable
from ephemeral_castle.model.castle import Castle

BLIND: dict[str, Any] = {"castle": "here", "state": "unknown", "unseen": ["treasury: nobody answers"]}
HALF: dict[str, Any] = {"castle": "here", "state": "up", "life": 4, "unseen": ["backups of `database`: no answer"]}
WIPED: dict[str, Any] = {"castle": "here", "state": "down", "notes": ["it was wiped; `castle raise` brings it back"]}
ALARM = {"severity": "error", "text": "archiving fails", "mend": "castle doctor"}


@pytest.mark.parametrize("survey", [BLIND, HALF, {"castle": "here"}])
def test_status_that_could_not_look_is_not_well(run, wired, survey):
    """It ended with 0, and a timer that watches the exit code slept on."""
    wired.survey_answer = survey
    result = run("status")
    assert result.exit_code == 12
    assert "no alarms in what was seen; whether it is well is not known" in result.stdout
    assert json.loads(run("status", "--json").stdout)["healthy"] is None


def test_an_alarm_wins_over_what_was_not_seen(run, wired):
    wired.survey_answer = {**HALF, "alarms": [ALARM]}
    assert run("status").exit_code == 8


def test_a_castle_that_is_down_was_seen(run, wired):
    wired.survey_answer = WIPED
    result = run("status")
    assert result.exit_code == 0
    assert "  it was wiped; `castle raise` brings it back\n" in result.stdout
    assert "not seen" not in result.stdout


def test_plan_shows_the_plan_and_tells_that_it_could_not_look(run, wired):
    wired.survey_answer = BLIND
    result = run("plan")
    assert result.exit_code == 12
    assert "not seen: treasury: nobody answers" in result.stdout
    assert "point of no return" in result.stdout
    assert run("plan", "--json").exit_code == 12
    assert run("plan", "--offline").exit_code == 0


class Standing:
    """An enclosure that stands, or what is left of one."""

    name = "castle-here"

    def __init__(self, left: tuple[str, ...] = (), *, stands: bool = True) -> None:
        self._left, self._stands = left, stands

    async def exists(self) -> bool:
        return self._stands

    def left(self) -> list[str]:
        return list(self._left)


@pytest.fixture
def castle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Castle:
    monkeypatch.setenv("CASTLE_STATE", str(tmp_path))
    monkeypatch.setattr(online, "is_root", lambda: True)
    monkeypatch.setattr(online, "enclosure_of", lambda *_: Standing())
    return FakeWiring().load_castle("castle.yaml")


async def test_a_treasury_that_does_not_answer_leaves_the_castle_unknown(castle, monkeypatch):
    """`castle plan` and `castle status` ended like a step that failed, and showed nothing."""

    async def silent(*_: Any, **__: Any) -> Any:
        raise Unreachable("the treasury does not answer", where="bucket at s3.example", why="timed out")

    monkeypatch.setattr(online, "open_world", silent)
    found = await online.survey(castle, castle.site())
    assert found["state"] == "unknown"
    assert found["unseen"] == ["bucket at s3.example: the treasury does not answer (timed out)"]


async def test_a_treasury_that_says_no_is_an_error(castle, monkeypatch):
    async def refuses(*_: Any, **__: Any) -> Any:
        raise Denied("the treasury refuses the key")

    monkeypatch.setattr(online, "open_world", refuses)
    with pytest.raises(Denied):
        await online.survey(castle, castle.site())


async def test_a_look_makes_no_bucket(castle, monkeypatch):
    """`castle plan` changes nothing: it made the bucket where it was missing."""
    asked: list[bool] = []

    async def opens(*_: Any, looking: bool = False) -> Any:
        asked.append(looking)
        raise Unreachable("enough")

    monkeypatch.setattr(online, "open_world", opens)
    await online.survey(castle, castle.site())
    assert asked == [True]


async def test_what_is_left_of_a_castle_without_state_is_named(castle, monkeypatch):
    """`castle status` said that it was never raised here, while its machines ran on."""
    monkeypatch.setattr(online, "enclosure_of", lambda *_: Standing(("/run/netns/castle-here",), stands=False))
    found = await online.survey(castle, castle.site())
    assert found["state"] == "partly"
    (alarm,) = found["alarms"]
    assert "/run/netns/castle-here" in alarm["text"]
    assert alarm["mend"] == "castle rebirth"


async def test_down_says_nothing_only_where_nothing_is_left(castle, monkeypatch):
    from ephemeral_castle.cli import chores
    from ephemeral_castle.errors import NoSuchRun

    monkeypatch.setattr(chores, "is_root", lambda: True)
    monkeypatch.setattr(chores, "enclosure_of", lambda *_: Standing(stands=False))
    with pytest.raises(NoSuchRun):
        await chores.take_down(castle, castle.site(), lambda _: None)
    removed: list[str] = []

    async def remove() -> None:
        removed.append("all")

    left = SimpleNamespace(name="castle-here", left=lambda: ["/run/netns/castle-here"], remove=remove)
    monkeypatch.setattr(chores, "enclosure_of", lambda *_: left)
    monkeypatch.setenv("CASTLE_RUN", "/nowhere")
    await chores.take_down(castle, castle.site(), lambda _: None)
    assert removed == ["all"]

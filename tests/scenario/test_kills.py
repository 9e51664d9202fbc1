"""`kill -9` of the runner anywhere, then resume: no irreversible act twice, no orphan, nothing lost."""

from __future__ import annotations

import random

import pytest

from ephemeral_castle.model.events import Kind
from tests.scenario.infra import Power
from tests.scenario.stage import Stage


def test_a_rebirth_in_virtual_time() -> None:
    stage = Stage()
    stage.play()
    stage.assert_reborn()
    assert 8 < stage.clock.before < 60, "virtual seconds"
    assert stage.players["treasure"].closed == 1


def whole() -> tuple[int, int]:
    """How many events and effects an undisturbed rebirth has."""
    stage = Stage()
    power = Power()
    stage.play(power)
    return power.events, power.effects


EVENTS, EFFECTS = whole()


@pytest.mark.parametrize("lost", [False, True], ids=["written", "lost"])
def test_killed_after_every_event(lost: bool) -> None:
    """Once with all events on disk, once without those that no durable one followed."""
    for number in range(1, EVENTS + 1):
        stage = Stage()
        assert stage.play(Power(after_event=number), lost=lost) is None, number
        stage.play()
        try:
            stage.assert_reborn()
        except AssertionError as error:
            raise AssertionError(f"killed after event {number}: {error}") from error


@pytest.mark.parametrize("lost", [False, True], ids=["written", "lost"])
def test_killed_after_every_effect_before_it_was_written_down(lost: bool) -> None:
    for number in range(1, EFFECTS + 1):
        stage = Stage()
        assert stage.play(Power(after_effect=number), lost=lost) is None, number
        stage.play()
        try:
            stage.assert_reborn()
        except AssertionError as error:
            raise AssertionError(f"killed after effect {number}: {error}") from error


def test_killed_again_and_again() -> None:
    """Up to five runners die at places drawn by lot."""
    chance = random.Random(20261122)
    for _ in range(60):
        stage = Stage()
        places = []
        for _ in range(chance.randint(2, 5)):
            power = Power(
                after_event=chance.randint(1, EVENTS), after_effect=chance.choice([0, 0, chance.randint(1, 8)])
            )
            places.append((power.after_event, power.after_effect))
            if stage.play(power, lost=chance.random() < 0.5) is not None:
                break
        else:
            stage.play()
        try:
            stage.assert_reborn()
        except AssertionError as error:
            raise AssertionError(f"killed at {places}: {error}") from error


def test_an_act_that_was_done_but_not_recorded_is_adopted() -> None:
    stage = Stage()
    done = stage.infra.promote

    def promote_and_die(life: int) -> None:
        done(life)
        stage.infra.power.cut()

    stage.infra.promote = promote_and_die  # type: ignore[method-assign]
    assert stage.play() is None
    stage.infra.promote = done  # type: ignore[method-assign]
    stage.play()
    stage.assert_reborn()
    assert stage.view.steps["database.promote"].how == "adopted"
    assert [event.step for event in stage.events if event.kind is Kind.STEP_INTERRUPTED] == ["database.promote"]

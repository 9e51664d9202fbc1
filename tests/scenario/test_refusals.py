"""What is not ours, and what cannot be seen, never leads to an act that cannot be taken back."""

from __future__ import annotations

import pytest

from ephemeral_castle.errors import Refused
from ephemeral_castle.model.events import RunStatus
from ephemeral_castle.model.step import Effect, Observation, Phase, State, Step
from tests.scenario.infra import Power
from tests.scenario.stage import Stage

STEPS = [step for step in Stage().plan.steps if step.driver != "castle"]
BEFORE = [step for step in STEPS if step.phase in (Phase.PREPARE, Phase.PROVE, Phase.SEAL, Phase.DESTROY)]
AFTER = [step for step in STEPS if step not in BEFORE]


def name(step: object) -> str:
    return step.id if isinstance(step, Step) else str(step)


@pytest.mark.parametrize("state", [State.FOREIGN, State.UNKNOWN], ids=str)
@pytest.mark.parametrize("step", BEFORE, ids=name)
def test_before_the_first_deletion_everything_is_taken_back(step: Step, state: State) -> None:
    stage = Stage()
    stage.script.on(step.id, "observe", *[Observation(state, "what is this")] * 9)
    status = stage.play()
    guessed = state is State.UNKNOWN and step.effect in (Effect.READ, Effect.CONVERGE)
    assert status is (RunStatus.FAILED if guessed else RunStatus.REFUSED)
    assert "what is this" in stage.error()["why"]
    assert (step.id, "act") not in stage.script.calls
    stage.assert_as_before()
    stage.script.cues.clear()
    stage.play()
    stage.assert_reborn()


@pytest.mark.parametrize("state", [State.FOREIGN, State.UNKNOWN], ids=str)
@pytest.mark.parametrize("step", AFTER, ids=name)
def test_after_it_the_run_waits_for_a_person_and_goes_on(step: Step, state: State) -> None:
    stage = Stage()
    stage.script.on(step.id, "observe", *[Observation(state, "what is this")] * 9)
    assert stage.play() is RunStatus.FAILED
    expected = 5 if step.phase is Phase.VERIFY else 4
    assert stage.view.exit_code == expected, "9 would say that nothing was destroyed"
    assert (step.id, "act") not in stage.script.calls
    assert stage.view.passed_no_return
    assert stage.view.undone == ()
    stage.script.cues.clear()
    stage.play()
    stage.assert_reborn()


@pytest.mark.parametrize("step", [each for each in BEFORE if each.effect is not Effect.READ], ids=name)
def test_a_gate_that_closes_in_the_act_takes_the_fence_back(step: Step) -> None:
    if step.phase is Phase.DESTROY:
        pytest.skip("its act is the first deletion")
    stage = Stage()
    stage.script.on(step.id, "act", Refused("no", state="nothing was changed"))
    assert stage.play() is RunStatus.REFUSED
    assert stage.view.exit_code == 9
    stage.assert_as_before()


def sealed_and_killed() -> Stage:
    """A run whose runner died when everything was sealed and nothing destroyed."""
    stage = Stage()
    undisturbed = Stage()
    undisturbed.play()
    found = [e.seq for e in undisturbed.events if e.step == "castle.record-seal" and e.kind == "step.finished"]
    assert stage.play(Power(after_event=found[0] - 1)) is None
    assert stage.view.steps["castle.record-seal"].state == "done"
    return stage


def test_a_fence_that_somebody_lifted_by_hand_is_made_again_with_all_that_followed() -> None:
    stage = sealed_and_killed()
    database = stage.infra.database(1)
    assert database is not None
    database.running, database.fenced = True, False
    stage.infra.client_writes()
    stage.play()
    stage.assert_reborn()
    assert stage.infra.acts["fence"] == 2
    assert stage.infra.acts["mark"] == 2
    assert stage.infra.acts["backup"] == 1


def test_a_database_that_somebody_started_again_is_stopped_again() -> None:
    stage = sealed_and_killed()
    database = stage.infra.database(1)
    assert database is not None
    database.running = True
    stage.play()
    stage.assert_reborn()
    assert (stage.infra.acts["fence"], stage.infra.acts["stop"]) == (1, 2)


@pytest.mark.parametrize("state", [State.FOREIGN, State.UNKNOWN], ids=str)
def test_a_seal_that_cannot_be_seen_on_resume_is_no_seal_and_the_fence_is_lifted(state: State) -> None:
    stage = sealed_and_killed()
    stage.script.on("database.fence", "observe", Observation(state, "no answer"))
    assert stage.play() is RunStatus.REFUSED
    stage.assert_as_before()


def test_what_was_prepared_and_died_with_the_runner_is_made_again() -> None:
    stage = Stage()
    undisturbed = Stage()
    undisturbed.play()
    backup = next(e.seq for e in undisturbed.events if e.step == "database.backup" and e.kind == "step.finished")
    assert stage.play(Power(after_event=backup - 1)) is None
    stage.infra.prover = ""
    stage.play()
    stage.assert_reborn()
    assert stage.infra.acts["prover"] == 2


def test_a_wiped_castle_that_is_resumed_asks_nothing_of_the_old_one() -> None:
    """The old database raises when it is asked for after its end; see also `assert_reborn`."""
    stage = Stage()
    stage.script.on("machines.create-data", "act", Refused("no memory"))
    assert stage.play() is RunStatus.FAILED
    assert stage.view.exit_code == 4, "9 would say that nothing was destroyed"
    stage.infra.prover = ""
    stage.script.calls.clear()
    stage.play()
    stage.assert_reborn()
    asked = {step for step, _ in stage.script.calls}
    assert asked.isdisjoint({"database.fence", "database.stop", "database.marker", "machines.destroy"})


def test_a_treasury_that_ignores_conditions_was_found_out_by_two_runners_on_one_castle() -> None:
    stage = Stage()
    honest = stage.objects.create

    async def careless(key: str, body: bytes) -> str:
        return await (stage.objects.put if key.startswith(".castle-probe/") else honest)(key, body)

    stage.objects.create = careless  # type: ignore[method-assign]
    assert stage.play() is RunStatus.REFUSED
    assert stage.view.exit_code == 9
    assert "two runners could both hold this castle" in stage.error()["why"]
    assert any("castle check" in hint for hint in stage.error()["hints"])
    stage.assert_as_before()


def test_a_resumed_run_asks_no_more_what_it_asked() -> None:
    stage = Stage()
    stage.play(Power(after_event=60))
    asked = [each for each in stage.objects.calls if each[1].startswith(".castle-probe/")]
    stage.play()
    stage.assert_reborn()
    assert asked
    assert [each for each in stage.objects.calls if each[1].startswith(".castle-probe/")] == asked

from __future__ import annotations

import copy
import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from ephemeral_castle.model.events import Event, Kind, RunStatus
from ephemeral_castle.model.runview import How, RunView, StepState, ready, reduce
from tests.unit.model.plans import Story, rebirth

PLAN = rebirth()


def view_of(story: Story) -> RunView:
    return reduce(PLAN, story.events)


def test_before_the_first_event_only_the_roots_are_ready() -> None:
    view = RunView.empty(PLAN)
    assert ready(view, PLAN) == ["db.prove"]
    assert view.status is RunStatus.RUNNING
    assert not view.passed_no_return


def test_a_finished_step_keeps_how_facts_and_times() -> None:
    story = Story().run_started().begin("db.prove")
    story.at += 0.5
    story.say(Kind.STEP_OBSERVED, "db.prove", 1, state="not_reached", detail="no proof yet", when="before", took=0.5)
    story.at += 2
    story.finish("db.prove", took=2.5, facts={"set": "F1"}, observed=0.7)
    step = view_of(story).steps["db.prove"]
    assert (step.state, step.how, step.facts) == (StepState.DONE, How.ACTED, {"set": "F1"})
    assert (step.started_at, step.finished_at, step.took, step.observe_took) == (1000.0, 1002.5, 2.5, 0.7)
    assert step.detail == "no proof yet"
    assert view_of(story).facts("db.prove") == {"set": "F1"}
    assert ready(view_of(story), PLAN) == ["db.fence"]


def test_a_finished_step_that_was_made_again_has_its_new_facts_and_nothing_else_of_it_changes() -> None:
    story = Story().run_started().does("db.prove", 1, facts={"sha": "old"}).run_started()
    before = view_of(story).steps["db.prove"]
    story.begin("db.prove").say(Kind.STEP_RENEWED, "db.prove", facts={"sha": "new"})
    assert view_of(story).steps["db.prove"] == dataclasses.replace(before, facts={"sha": "new"})


def test_new_facts_of_a_step_that_was_taken_back_do_not_count() -> None:
    story = Story().run_started().does("db.prove", 1).does("db.fence", 1)
    story.say(Kind.STEP_UNDONE, "db.fence", 1, detail="").say(Kind.STEP_RENEWED, "db.fence", facts={"a": 1})
    assert not view_of(story).steps["db.fence"].facts


def test_observation_seconds_add_up_when_the_finish_does_not_tell() -> None:
    story = Story().run_started().begin("db.prove")
    for took in (0.25, 0.5):
        story.say(Kind.STEP_OBSERVED, "db.prove", 1, state="partial", detail="", when="after", took=took)
    assert view_of(story.finish("db.prove")).steps["db.prove"].observe_took == 0.75


def test_a_waived_step_tells_why() -> None:
    story = Story().run_started().finish("db.prove", how="waived", waived="proven absent")
    step = view_of(story).steps["db.prove"]
    assert (step.how, step.waived) == (How.WAIVED, "proven absent")
    assert "db.fence" in ready(view_of(story), PLAN)


def test_undoing_a_step_resets_it_and_all_that_followed() -> None:
    story = Story().run_started().does("db.prove", 1).does("db.fence", 1, facts={"old": 1}).does("db.seal", 1)
    story.say(Kind.STEP_UNDONE, "db.fence", 1, detail="writers are back")
    view = view_of(story)
    assert view.steps["db.prove"].state is StepState.DONE
    for name in ("db.fence", "db.seal"):
        assert view.steps[name].state is StepState.PENDING
        assert not view.steps[name].facts
        assert view.steps[name].attempts == 1
    assert view.steps["db.fence"].detail == "writers are back"
    assert view.undone == ("db.fence",)
    assert ready(view, PLAN) == ["db.fence"]


def test_a_late_finish_of_an_undone_attempt_does_not_count() -> None:
    story = Story().run_started().does("db.prove", 1).begin("db.fence")
    story.say(Kind.STEP_UNDONE, "db.fence", 1, detail="").finish("db.fence")
    assert view_of(story).steps["db.fence"].state is StepState.PENDING
    story.does("db.fence", 1, attempt=2)
    assert view_of(story).steps["db.fence"].state is StepState.DONE


def test_an_interrupted_step_is_ready_again() -> None:
    story = Story().run_started().begin("db.prove")
    assert ready(view_of(story), PLAN) == []
    story.run_started().say(Kind.STEP_INTERRUPTED, "db.prove", 1)
    assert view_of(story).steps["db.prove"].state is StepState.INTERRUPTED
    assert ready(view_of(story), PLAN) == ["db.prove"]
    story.finish("db.prove", attempt=2, how="adopted")
    assert view_of(story).steps["db.prove"].how is How.ADOPTED


def test_a_new_runner_tries_failed_steps_again_and_reopens_the_run() -> None:
    error = {"message": "no route", "code": 4}
    story = Story().run_started().begin("db.prove").finish("db.prove", state="failed", how="none", error=error)
    story.say(Kind.RUN_FINISHED, status="failed", exit_code=4, error=error)
    view = view_of(story)
    assert (view.status, view.exit_code, view.steps["db.prove"].error) == (RunStatus.FAILED, 4, error)
    assert ready(view, PLAN) == []
    story.at += 60
    view = view_of(story.run_started())
    assert (view.status, view.exit_code, view.finished_at) == (RunStatus.RUNNING, None, None)
    assert ready(view, PLAN) == ["db.prove"]
    assert (view.runners, view.downtime) == (2, 60.0)


def test_an_unknown_end_is_not_a_good_end() -> None:
    story = Story().run_started().finish("db.prove", state="splendid")
    assert view_of(story).steps["db.prove"].state is StepState.FAILED


def test_the_point_of_no_return_is_the_first_irreversible_destruction() -> None:
    story = Story().run_started().does("db.prove", 1).does("db.fence", 1).does("db.seal", 1)
    assert not view_of(story).passed_no_return
    story.begin("vm.wipe1")
    assert not view_of(story).passed_no_return, "it looks; an intent is on disk before anything is deleted"
    story.intend("vm.wipe1")
    assert view_of(story).passed_no_return, "it was announced, so something may be gone"
    story.finish("vm.wipe1", state="failed", how="none")
    assert view_of(story).passed_no_return


def test_a_destruction_that_refused_at_first_sight_destroyed_nothing() -> None:
    story = Story().run_started().begin("vm.wipe1").finish("vm.wipe1", state="refused", how="none")
    assert not view_of(story).passed_no_return


def test_a_killed_destruction_stays_begun_even_when_an_earlier_step_is_undone() -> None:
    story = Story().run_started().does("db.fence", 1).begin("vm.wipe1").intend("vm.wipe1")
    story.run_started().say(Kind.STEP_INTERRUPTED, "vm.wipe1", 1).say(Kind.STEP_UNDONE, "db.fence", 1)
    assert view_of(story).passed_no_return
    assert view_of(story.say(Kind.STEP_UNDONE, "vm.wipe1", 1)).passed_no_return is False


def test_restoring_over_a_directory_is_no_point_of_no_return() -> None:
    assert not view_of(Story().run_started().begin("db.restore").intend("db.restore")).passed_no_return


def test_retries_progress_decisions_intents_and_notices() -> None:
    story = Story().run_started().begin("db.prove").intend("db.prove")
    story.say(Kind.STEP_PROGRESS, "db.prove", 1, text="half", done=5, total=10)
    story.say(Kind.STEP_RETRYING, "db.prove", 1, error={"message": "reset"}, delay=0.2)
    story.say(Kind.STEP_DECIDED, "db.prove", 1, decision="restore", reason="table", inputs={})
    story.say(Kind.DIAGNOSTIC, "db.prove", severity="warning", text="old proof")
    story.say(Kind.BUDGET_CROSSED, which="rto", limit=8, value=9)
    story.say(Kind.RUN_CANCELLING, by="anna")
    view = view_of(story)
    step = view.steps["db.prove"]
    assert (step.detail, step.done, step.total, step.retries, step.retry_in) == ("half", 5, 10, 1, 0.2)
    assert step.decision is not None
    assert step.decision["decision"] == "restore"
    assert view.intents_of("db.prove") == [{"what": "act"}]
    assert [entry.data["text"] for entry in view.diagnostics] == ["old proof"]
    assert [entry.data["which"] for entry in view.budgets] == ["rto"]
    assert view.cancelling == "anna"


def test_intents_survive_an_undo() -> None:
    story = Story().run_started().does("db.prove", 1).say(Kind.STEP_UNDONE, "db.prove", 1)
    assert view_of(story).intents_of("db.prove") == [{"what": "act"}]


def test_a_recheck_of_a_finished_step_changes_nothing() -> None:
    story = Story().run_started().does("db.fence", 1)
    before = view_of(story).steps["db.fence"]
    story.at += 9
    story.say(Kind.STEP_OBSERVED, "db.fence", 1, state="not_reached", detail="lifted", when="recheck", took=0.1)
    assert view_of(story).steps["db.fence"] == before


def test_events_of_other_runs_unknown_steps_and_seen_events_are_ignored() -> None:
    story = Story().run_started().does("db.prove", 1)
    view = view_of(story)
    assert view.apply(Event("other", Kind.RUN_FINISHED, 5.0, data={"status": "done"}, seq=99)) is view
    assert view.apply(story.events[1]) is view
    after = view.apply(Event("r1", Kind.STEP_STARTED, 5.0, "from.the.future", 1, seq=99))
    assert after.steps == view.steps


KINDS = [kind for kind in Kind if kind.value.startswith("step.")]
STEPS = [step.id for step in PLAN.steps]


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """Any events in any order: a view must stay sound whatever a runner that went wrong has written."""
    events: list[Event] = []
    for number in range(draw(st.integers(0, 40))):
        kind = draw(st.sampled_from([*KINDS, Kind.RUN_STARTED, Kind.RUN_FINISHED]))
        data: dict[str, object] = {}
        if kind is Kind.STEP_FINISHED:
            data["state"] = draw(st.sampled_from(["done", "done", "failed", "refused", "cancelled"]))
            data["how"], data["facts"] = "acted", {"n": number}
        if kind is Kind.RUN_FINISHED:
            data["status"] = draw(st.sampled_from(["done", "failed", "stopped"]))
        step = draw(st.sampled_from(STEPS)) if kind in KINDS else ""
        attempt = draw(st.integers(1, 4)) if step else 0
        events.append(Event("r1", kind, 1000.0 + number, step, attempt, data, seq=number + 1))
    return events


@given(streams(), st.integers(0, 40))
@settings(max_examples=150)
def test_folding_in_two_parts_or_live_gives_the_same(events: list[Event], cut: int) -> None:
    prefix = reduce(PLAN, events[:cut])
    kept = copy.deepcopy(prefix)
    view = prefix
    for event in events[cut:]:
        view = view.apply(event)
    assert view == reduce(PLAN, events)
    assert prefix == kept, "a view is a value: applying more must not change it"
    for event in events:
        view = view.apply(event)
    assert view == reduce(PLAN, events), "events that were applied already change nothing"


@given(streams())
@settings(max_examples=150)
def test_every_prefix_is_sound(events: list[Event]) -> None:
    view = RunView.empty(PLAN)
    finishes: dict[tuple[str, int], int] = {}
    for event in events:
        before, view = view, view.apply(event)
        if event.kind is Kind.STEP_FINISHED and view.steps[event.step] != before.steps[event.step]:
            key = (event.step, event.attempt)
            finishes[key] = finishes.get(key, 0) + 1
            assert finishes[key] == 1, "one attempt finished twice"
        if event.kind is Kind.STEP_UNDONE:
            for each in {event.step, *PLAN.descendants(event.step)}:
                assert view.steps[each].state is StepState.PENDING
                assert not view.steps[each].facts
        for step in view.steps.values():
            assert step.attempts >= before.steps[step.id].attempts
            assert step.closed <= step.attempts
            assert (step.finished_at is not None) == (step.took is not None)
        for name in ready(view, PLAN):
            assert view.steps[name].state in {StepState.PENDING, StepState.INTERRUPTED}
            assert all(view.steps[need].state is StepState.DONE for need in PLAN.edges[name])

from __future__ import annotations

import pytest

from ephemeral_castle.model.events import Kind
from ephemeral_castle.model.runview import reduce
from ephemeral_castle.model.timeline import Timeline, timeline
from tests.unit.model.plans import Story, rebirth

PLAN = rebirth()


def time_of(story: Story, now: float | None = None) -> Timeline:
    return timeline(reduce(PLAN, story.events), now)


def two_wipes(story: Story) -> Story:
    """wipe1 needs 1 s, wipe2 3 s, side by side."""
    story.begin("vm.wipe1").intend("vm.wipe1").begin("vm.wipe2").intend("vm.wipe2")
    story.at += 1
    story.finish("vm.wipe1", took=1)
    story.at += 2
    return story.finish("vm.wipe2", took=3)


def whole_run() -> Story:
    story = Story().say(Kind.RUN_CREATED, digest="d")
    story.at += 0.5
    story.run_started().does("db.prove", 5, observed=0.5).does("db.fence", 0.25).does("db.seal", 1)
    two_wipes(story).does("vm.raise", 0.5)
    story.at += 0.1
    story.does("db.restore", 4).does("web.probe", 0.25).does("db.backup", 2)
    return story.say(Kind.RUN_FINISHED, status="done", exit_code=0)


def test_the_three_figures_of_a_whole_run() -> None:
    times = time_of(whole_run())
    assert times.outage.seconds == pytest.approx(0.25 + 1 + 3 + 0.5 + 0.1 + 4 + 0.25)
    assert times.rto.seconds == pytest.approx(3 + 0.5 + 0.1 + 4 + 0.25)
    assert times.whole.seconds == pytest.approx(0.5 + 5 + 0.25 + 1 + 3 + 0.5 + 0.1 + 4 + 0.25 + 2)
    assert times.observing == pytest.approx(0.5)
    assert any("db.backup" in text for text in times.excluded)


def test_own_overhead_is_wall_time_minus_the_longest_chain_of_work() -> None:
    assert time_of(whole_run()).overhead.seconds == pytest.approx(0.5 + 0.1)


def test_the_critical_path_takes_the_slower_branch() -> None:
    times = time_of(whole_run())
    assert [link.step for link in times.path] == [
        "db.prove",
        "db.fence",
        "db.seal",
        "vm.wipe2",
        "vm.raise",
        "db.restore",
        "web.probe",
        "db.backup",
    ]
    by_step = {link.step: link for link in times.path}
    assert by_step["vm.wipe2"].seconds == pytest.approx(3)
    assert by_step["db.restore"].waited == pytest.approx(0.1)
    assert times.slack["vm.wipe1"] == pytest.approx(2)
    assert times.slack["vm.wipe2"] == pytest.approx(0)
    assert times.slack["db.prove"] == pytest.approx(0)


def test_sums_by_layer_and_phase() -> None:
    times = time_of(whole_run())
    layers = {span.name: span for span in times.layers}
    assert layers["vm"].seconds == pytest.approx(1 + 3 + 0.5)
    assert layers["vm"].steps == 3
    assert layers["vm"].end - layers["vm"].start == pytest.approx(3.5)
    phases = {span.name: span.seconds for span in times.phases}
    assert phases["destroy"] == pytest.approx(4)
    assert list(phases) == ["prove", "seal", "destroy", "apply", "restore", "verify"]


def test_the_cut_begins_with_its_act_not_with_its_first_look() -> None:
    story = Story().run_started().begin("db.fence")
    story.at += 3
    story.intend("db.fence")
    assert time_of(story).outage.start == 1003.0


def test_a_resumed_cut_counts_from_its_first_act() -> None:
    story = Story().run_started().begin("db.fence").intend("db.fence")
    story.at += 30
    story.run_started().say(Kind.STEP_INTERRUPTED, "db.fence", 1)
    story.finish("db.fence", attempt=2, how="adopted", took=0.1)
    for name in ("db.seal", "vm.wipe1", "vm.wipe2", "vm.raise", "db.restore", "web.probe"):
        story.does(name, 1)
    times = time_of(story)
    assert times.outage.seconds == pytest.approx(36)
    assert times.overhead.seconds is None
    story.say(Kind.RUN_FINISHED, status="done")
    assert "2 runners" in time_of(story).overhead.reason
    assert any("30.0 s in which no runner was alive" in text for text in times.excluded)


def test_a_dead_castle_has_no_outage_but_an_rto() -> None:
    story = Story().run_started().finish("db.fence", how="waived", waived="its machines are gone")
    for name in ("vm.wipe1", "vm.wipe2", "web.probe"):
        story.does(name, 2)
    times = time_of(story)
    assert times.outage.seconds is None
    assert "its machines are gone" in times.outage.reason
    assert times.rto.seconds == pytest.approx(6)


def test_while_it_runs_the_figures_say_what_is_missing() -> None:
    times = time_of(Story().run_started())
    assert times.outage.reason == "no client was cut off yet"
    assert times.rto.reason == "nothing was destroyed yet"
    story = Story().run_started().does("db.fence", 1).begin("db.seal")
    times = time_of(story, now=1011.0)
    assert (times.outage.seconds, times.outage.start) == (None, 1000.0)
    assert "web.probe" in times.outage.reason
    assert times.path[-1].step == "db.seal"
    assert times.path[-1].running
    assert times.path[-1].seconds == pytest.approx(10)
    assert (times.whole.seconds, times.whole.reason) == (11.0, "still running")


def test_a_run_before_its_first_event() -> None:
    times = time_of(Story())
    assert times.path == ()
    assert times.layers == ()
    assert times.whole.seconds is None


def test_a_suspended_computer_is_reported() -> None:
    story = Story().run_started().begin("db.prove")
    story.at += 600
    story.finish("db.prove", took=4.0)
    assert any("+596.0 s during db.prove" in text for text in time_of(story).excluded)

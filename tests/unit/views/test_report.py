from __future__ import annotations

import json
from typing import Any

import pytest
from tests import stories

from ephemeral_castle.model.castle import Budget
from ephemeral_castle.model.events import Kind
from ephemeral_castle.model.runview import reduce
from ephemeral_castle.views.report import report_text
from ephemeral_castle.views.reportdata import over_budget, report_json, verified


def report_of(story: stories.Story, budget: Budget | None = None) -> dict[str, Any]:
    return report_json(reduce(stories.plan(), story.events), budget)


def test_the_report_of_a_rebirth(golden):
    report = report_of(stories.good(), Budget(rto=30.0, rpo=60.0))
    golden("report-rebirth.txt", report_text(report) + "\n")
    golden("report-rebirth.json", json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def test_the_figures_are_those_of_the_events():
    figures = report_of(stories.good())["figures"]
    # fence 0.2, seal 0.9, wipe 0.8, raise 1.1, restore 3.4, data 0.5, serve 0.3
    assert figures["outage"]["seconds"] == pytest.approx(7.2)
    assert figures["rto"]["seconds"] == pytest.approx(6.1)
    assert "budget" not in figures["rto"]


def test_a_budget_that_was_exceeded_is_named():
    tight = report_of(stories.good(), Budget(rto=5.0))
    assert over_budget(tight) == ["rto"]
    assert "over budget by 1.1s" in report_text(tight)
    assert over_budget(report_of(stories.good(), Budget(rto=7.0))) == []


def test_lost_data_counts_against_its_budget():
    story = stories.until_the_seal()
    story.does("answers.data", 0.5, facts={"loss": {"seconds": 90.0, "bound": True, "text": "last heartbeat"}})
    report = report_of(story.ends(), Budget(rpo=60.0))
    assert over_budget(report) == ["rpo"]
    assert "at most 1m30s of 1m00s" in report_text(report)


def test_a_layer_with_a_budget_of_its_own_is_measured_by_that():
    story = stories.until_the_seal()
    story.does("answers.data", 0.5, facts={"loss": {"seconds": 90.0, "bound": True, "text": "x", "budget": 3600.0}})
    report = report_of(story.ends(), Budget(rpo=60.0))
    assert over_budget(report) == []
    assert "at most 1m30s of 1h00m" in report_text(report)


def test_a_difference_is_never_called_up_and_well():
    story = stories.until_the_seal()
    story.does("answers.data", 0.5, facts={"tables": {"t": {"before": 2, "after": 1, "same": False}}})
    view = reduce(stories.plan(), story.ends().events)
    assert verified(view) is False
    text = report_text(report_json(view))
    assert "✗ castle here is up, but what came back is not what was there" in text
    assert "✗ differs" in text


def test_controllers_are_told_by_the_title_that_they_bear():
    """A report that rests on a stand-in says so."""
    story = stories.until_the_seal()
    real = {"image": "example.org/kustomize-controller:v1.9.5"}
    played = {"image": "example.org/source-controller:v1.9.5", "title": "stand-in for source-controller"}
    facts = {"controllers": {"kustomize-controller": real, "source-controller": played}}
    text = report_text(report_of(story.does("answers.data", 0.5, facts=facts).ends()))
    assert "kustomize-controller: example.org/kustomize-controller:v1.9.5 · source-controller: stand-in for" in text


def test_names_are_told_with_how_long_caches_may_lie():
    story = stories.until_the_seal()
    facts = {"names": {"blog.castle.example": "10.0.0.24"}, "stale_until": 1_795_000_060.0}
    report = report_of(story.does("answers.data", 0.5, facts=facts).ends())
    assert (report["names"], report["stale_until"]) == ({"blog.castle.example": "10.0.0.24"}, 1_795_000_060.0)
    text = "blog.castle.example 10.0.0.24 · resolvers may answer the old address until 2026-11-18 11:07:40 UTC"
    assert text in report_text(report)


def test_a_marker_that_is_missing_is_a_failure():
    story = stories.until_the_seal().does("answers.data", 0.5, facts={"markers": {"B": {"id": "b", "found": False}}})
    view = reduce(stories.plan(), story.ends().events)
    assert verified(view) is False
    assert "marker B b ✗ is missing" in report_text(report_json(view))


def test_nothing_compared_is_not_called_verified():
    assert verified(reduce(stories.plan(), stories.until_the_seal().ends().events)) is None


def test_a_run_that_goes_on_has_a_report_too():
    report = report_of(stories.until_the_seal())
    assert report["status"] == "running"
    assert "not known" in report_text(report)
    assert report["next"][0][0] == "castle watch 01JD8X"


def test_bars_stay_inside_their_width():
    text = report_text(report_of(stories.good()))
    bars = [line for line in text.splitlines() if "█" in line]
    assert len(bars) == 4
    left = min(line.index("█") for line in bars)
    assert max(len(line) for line in bars) - left == 40


def test_a_layer_is_busy_only_while_its_steps_run():
    layers = {layer["layer"]: layer for layer in report_of(stories.good())["layers"]}
    # backup 1.2, prove 5.8, fence 0.2, seal 0.9 without a gap; restore 3.4 after the machines
    assert layers["database"]["seconds"] == pytest.approx(11.5)
    assert [end - start for start, end in layers["database"]["busy"]] == pytest.approx([8.1, 3.4])


def test_the_report_is_json_all_through_and_counts_what_happened():
    report = json.loads(json.dumps(report_of(stories.good())))
    assert report["counts"]["retries"] == 1
    assert report["counts"]["adopted"] == 1
    assert report["counts"]["warnings"] == 1
    assert report["life"] == 4
    assert report["decisions"][0]["reason"] == "the last proof is 2d03h old"


def test_a_report_of_an_empty_stream_does_not_fail():
    story = stories.Story()
    story.events = story.events[:1]
    assert report_text(report_of(story))
    assert story.events[0].kind is Kind.RUN_CREATED

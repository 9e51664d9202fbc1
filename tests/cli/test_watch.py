"""The viewer: what it shows, when it ends, what it exits with."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tests import stories
from tests.cli.conftest import FakeJournal

from ephemeral_castle.cli.watch import POLL, SILENCE, START, Mode, Reader, exit_status, follow
from ephemeral_castle.errors import CastleError
from ephemeral_castle.journal.joined import Journals
from ephemeral_castle.journal.store import Journal
from ephemeral_castle.model.castle import Budget
from ephemeral_castle.model.events import Event, Kind
from ephemeral_castle.model.runview import reduce


class FakePace:
    """A clock that moves when somebody waits; `at` runs things at certain looks."""

    def __init__(self, at: dict[int, object] | None = None) -> None:
        self.time = stories.BORN
        self.looks = 0
        self.at = at or {}

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.looks += 1
        self.time += seconds
        what = self.at.get(self.looks)
        if isinstance(what, BaseException):
            raise what
        if callable(what):
            what()


class Slow(FakeJournal):
    """Gives one event at each look."""

    def events(self, run_id: str, after_seq: int = 0) -> list[Event]:
        return super().events(run_id, after_seq)[:1]


def status(story: stories.Story, **mode: object) -> int:
    return exit_status(reduce(stories.plan(), story.events), Mode(**mode))  # type: ignore[arg-type]


def test_it_shows_every_event_once_and_then_the_report(capsys):
    assert follow(Slow(stories.good()), "01JD8X", Mode(), pace=FakePace()) == 0  # type: ignore[arg-type]
    seen = capsys.readouterr()
    assert seen.err.count("machines/wipe") == 2
    assert seen.out.count("castle here is up") == 1


def test_ctrl_c_leaves_the_run_alone_and_says_how_to_come_back(capsys):
    pace = FakePace({3: KeyboardInterrupt()})
    assert follow(FakeJournal(stories.until_the_seal()), "01JD8X", Mode(), pace=pace) == 130  # type: ignore[arg-type]
    err = capsys.readouterr().err
    assert "the run goes on" in err
    assert "castle cancel 01JD8X" in err
    assert err.splitlines()[-1] == "hint: `castle watch 01JD8X` comes back to it"


def test_a_runner_that_is_gone_ends_the_watch():
    pace = FakePace()
    with pytest.raises(CastleError) as caught:
        follow(FakeJournal(stories.until_the_seal()), "01JD8X", Mode(), alive=lambda: False, pace=pace)  # type: ignore[arg-type]
    assert caught.value.exit_code == 4
    assert caught.value.hints[-1] == "`castle resume 01JD8X`"
    assert "nothing was destroyed" in caught.value.state
    assert pace.time - stories.BORN == pytest.approx(SILENCE, abs=2 * POLL)


def test_a_runner_that_met_a_full_disk_passed_for_one_that_was_killed():
    journal = FakeJournal(stories.until_the_seal())
    journal.free = 4096
    with pytest.raises(CastleError) as caught:
        follow(journal, "01JD8X", Mode(), alive=lambda: False, pace=FakePace())  # type: ignore[arg-type]
    assert "the disk under the journal is full (4 KiB are free)" in caught.value.why
    assert caught.value.hints[0] == "make room on that disk first"


def test_a_runner_has_time_to_start():
    story = stories.Story()
    story.events = story.events[:1]
    pace = FakePace()
    with pytest.raises(CastleError):
        follow(FakeJournal(story), "01JD8X", Mode(), alive=lambda: False, pace=pace)  # type: ignore[arg-type]
    assert pace.time - stories.BORN == pytest.approx(START, abs=2 * POLL)


def test_what_a_dying_runner_wrote_last_is_not_overlooked(capsys):
    story = stories.until_the_seal()

    def dies() -> bool:
        if story.events[-1].kind is not Kind.RUN_FINISHED:
            story.ends("cancelled", 4)
        return False

    assert follow(FakeJournal(story), "01JD8X", Mode(), alive=dies, pace=FakePace()) == 4  # type: ignore[arg-type]
    assert "was cancelled" in capsys.readouterr().err


def test_a_living_runner_that_says_nothing_is_waited_for(capsys):
    story = stories.until_the_seal().begin("machines.wipe")
    pace = FakePace({250: lambda: story.does("machines.wipe", 0.8).ends()})
    assert follow(FakeJournal(story), "01JD8X", Mode(), alive=lambda: True, pace=pace) == 0  # type: ignore[arg-type]
    assert " running 1" in capsys.readouterr().err


def test_the_end_of_the_run_before_it_was_resumed_is_not_the_end(capsys):
    story = stories.broken()
    since = story.events[-1].seq

    def resumed() -> None:
        story.say(Kind.RUN_STARTED, pid=2, host="tower")
        story.begin("database.restore", 2).later(3)
        story.say(Kind.STEP_FINISHED, "database.restore", 2, state="done", how="acted", took=3.0)
        story.does("answers.data", 0.5).does("answers.serve", 0.3).ends()

    mode = Mode(since=since)
    assert follow(FakeJournal(story), "01JD8X", mode, pace=FakePace({5: resumed})) == 0  # type: ignore[arg-type]
    assert "castle here is up" in capsys.readouterr().out


def test_jsonl_ends_with_the_failure(capsys):
    mode = Mode(progress="jsonl")
    assert follow(FakeJournal(stories.broken()), "01JD8X", mode, pace=FakePace()) == 4  # type: ignore[arg-type]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["kind"] == "version"
    assert lines[-1]["kind"] == "failure"
    assert lines[-1]["error"]["why"].startswith("403")


def test_exit_codes():
    assert status(stories.good()) == 0
    assert status(stories.broken()) == 4
    assert status(stories.refused()) == 9
    assert status(stories.until_the_seal().ends("cancelled", 4)) == 4
    assert status(stories.until_the_seal().ends("stopped", 4)) == 4
    assert status(stories.until_the_seal().ends("failed", 1)) == 1


def test_a_budget_matters_only_when_it_is_enforced():
    tight = Budget(rto=1.0)
    assert status(stories.good(), budget=tight) == 0
    assert status(stories.good(), budget=tight, enforce_budget=True) == 6
    assert status(stories.good(), budget=Budget(rto=60.0), enforce_budget=True) == 0


def test_a_failed_verification_is_5():
    story = stories.until_the_seal().begin("answers.serve").later(1)
    story.say(Kind.STEP_FINISHED, "answers.serve", 1, state="failed", error={"message": "no answer"}).ends("failed", 4)
    assert status(story) == 5


def test_a_difference_in_the_data_is_5_even_when_every_step_is_done():
    story = stories.until_the_seal()
    story.does("answers.data", 0.5, facts={"tables": {"t": {"before": 2, "after": 1, "same": False}}}).ends()
    assert status(story, enforce_budget=True) == 5


def test_a_dead_runner_was_a_bug_to_the_viewer_of_both_journals(tmp_path: Path) -> None:
    """They could not tell how much room the disk has, which the viewer asks when a runner is gone."""
    path = tmp_path / "journal.db"

    async def make() -> None:
        await (await Journal.open(path)).close()

    asyncio.run(make())
    with Journals([path, tmp_path / "drills.db"]) as journals:
        reader: Reader = journals
        assert reader.room() > 0

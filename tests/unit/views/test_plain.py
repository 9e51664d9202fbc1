from __future__ import annotations

from tests import stories

from ephemeral_castle.model.events import Event, Kind
from ephemeral_castle.views.paint import Paint
from ephemeral_castle.views.plain import PlainView


def shown(story: stories.Story, view: PlainView | None = None) -> list[str]:
    view = view or PlainView(stories.plan())
    return [line for event in story.events for line in view.feed(event)]


def test_a_whole_rebirth(golden):
    golden("plain-rebirth.txt", "\n".join(shown(stories.good())) + "\n")


def test_a_failure(golden):
    golden("plain-failure.txt", "\n".join(shown(stories.broken())) + "\n")


def test_a_retry_names_try_delay_and_cause():
    line = next(line for line in shown(stories.good()) if "↻" in line)
    assert "database/backup" in line
    assert "try 2 in 0.20s: the treasury did not answer: connection refused" in line


def test_the_point_of_no_return_is_said_once_before_the_first_deletion():
    lines = shown(stories.good())
    said = [index for index, line in enumerate(lines) if "point of no return" in line]
    assert len(said) == 1
    assert "machines/wipe" in lines[said[0] + 1]
    assert not any("point of no return" in line for line in shown(stories.refused()))


def test_an_event_is_shown_once_even_when_it_is_fed_twice():
    view = PlainView(stories.plan())
    story = stories.good()
    once = shown(story, view)
    assert once
    assert shown(story, view) == []


def test_a_step_that_is_broken_off_with_its_run_says_so():
    """`cancelled after 0.32s: no reason given` stood beside the refusal that was the reason."""
    story = stories.Story().begin("database.prove").later(0.3)
    story.say(Kind.STEP_FINISHED, "database.prove", 1, state="cancelled")
    assert shown(story)[-1].endswith("cancelled after 0.30s: the run ends")


def test_silence_gives_a_sign_of_life_every_ten_seconds():
    story = stories.Story().begin("database.prove")
    view = PlainView(stories.plan())
    assert shown(story, view)
    story.later(3).say(Kind.STEP_PROGRESS, "database.prove", 1, text="reading", done=3.0, total=12.0)
    assert view.feed(story.events[-1]) == []
    assert view.tick(stories.BORN + 9.9) == []
    (line,) = view.tick(stories.BORN + 10)
    assert line.startswith("00:10.0 ◎ database/prove")
    assert line.endswith("running 10s: reading (25 %)")
    assert view.tick(stories.BORN + 19.9) == []
    assert view.tick(stories.BORN + 20) != []


def test_no_sign_of_life_when_nothing_runs():
    view = PlainView(stories.plan())
    shown(stories.good(), view)
    assert view.tick(stories.BORN + 1000) == []


def test_a_resumed_run_says_so():
    story = stories.until_the_seal().begin("machines.wipe").later(30)
    story.say(Kind.RUN_STARTED, pid=99, host="tower").say(Kind.STEP_INTERRUPTED, "machines.wipe", 1)
    lines = shown(story)
    assert any("resumed by pid 99 on tower" in line for line in lines)
    assert "machines/wipe" in lines[-1]
    assert "interrupted" in lines[-1]


def test_every_line_has_a_word_beside_its_sign_and_colour_changes_nothing_else():
    import re

    plain = shown(stories.good())
    colour = shown(stories.good(), PlainView(stories.plan(), Paint(on=True)))
    assert [re.sub(r"\x1b\[\d+m", "", line) for line in colour] == plain
    assert plain != colour


def test_kinds_and_steps_of_a_newer_castle_are_passed_over():
    view = PlainView(stories.plan())
    assert view.feed(Event("r", Kind.STEP_FINISHED, 1.0, "unheard.of", 1, {"state": "done"}, seq=1)) == []


def test_control_characters_of_an_error_do_not_reach_the_terminal():
    story = stories.Story().begin("database.backup")
    error = {"message": "bad \x1b[2J cipher", "why": "\x00\x01"}
    story.say(Kind.STEP_FINISHED, "database.backup", 1, state="failed", error=error)
    assert "\x1b" not in "".join(shown(story))

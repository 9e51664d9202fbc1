from __future__ import annotations

from tests import stories

from ephemeral_castle.errors import DefinitionInvalid
from ephemeral_castle.model.events import Kind
from ephemeral_castle.model.runview import reduce
from ephemeral_castle.views.failure import culprit, error_text, failure_json, failure_text, log_of


def test_a_failure_after_the_first_deletion(golden):
    story = stories.broken()
    view = reduce(stories.plan(), story.events)
    golden("failure.txt", failure_text(view, log_of(story.events, "database.restore")) + "\n")


def test_the_last_line_is_the_next_command():
    view = reduce(stories.plan(), stories.broken().events)
    assert failure_text(view).splitlines()[-1].startswith("hint: `castle resume 01JD8X`")


def test_a_refusal_says_that_nothing_was_destroyed_and_offers_its_own_hint_last():
    view = reduce(stories.plan(), stories.refused().events)
    text = failure_text(view)
    assert "nothing was destroyed" in text
    assert text.splitlines()[-1] == "hint: `castle doctor`"
    assert "castle resume" not in text


def test_where_is_filled_in_from_the_step():
    data = failure_json(reduce(stories.plan(), stories.broken().events))
    assert data["step"] == "database.restore"
    assert data["error"]["where"] == "layer database, driver fake, step database.restore"
    assert data["passed_no_return"] is True
    assert data["blocked"] == ["answers.data", "answers.serve"]
    assert data["steps"] == {"all": 10, "done": 7}


def test_the_first_failure_is_the_culprit_not_what_followed():
    story = stories.Story().begin("database.backup").begin("database.prove").later(1)
    story.say(Kind.STEP_FINISHED, "database.prove", 1, state="failed", error={"message": "first"}).later(1)
    story.say(Kind.STEP_FINISHED, "database.backup", 1, state="failed", error={"message": "second"})
    found = culprit(reduce(stories.plan(), story.events))
    assert found is not None
    assert found.id == "database.prove"


def test_a_stopped_run_without_a_failed_step_still_says_how_to_go_on():
    story = stories.until_the_seal().does("machines.wipe", 0.8).ends("stopped", 4)
    text = failure_text(reduce(stories.plan(), story.events))
    assert "was stopped" in text
    assert "castle resume 01JD8X" in text.splitlines()[-1]


def test_the_log_holds_what_the_step_said_and_nothing_else():
    story = stories.broken()
    assert log_of(story.events, "database.restore") == ["P00 WARN: repo1: 403"]
    assert log_of(story.events, "database.backup") == ["try 1: the treasury did not answer: connection refused"]


def test_diagnostics_of_a_definition_keep_their_lines():
    error = DefinitionInvalid("castle.yaml has 1 error", ("castle.yaml:3:1: unknown key\n  laiers:\n  ^",))
    text = error_text(error.as_dict())
    assert "castle.yaml:3:1: unknown key\n  laiers:\n  ^" in text


def test_a_reason_that_is_a_list_keeps_its_lines():
    """Seven errors of a Compose file stood in one line of a thousand characters."""
    said = error_text(
        {"message": "two errors", "where": "commit 5", "why": "\n  a:1:2: one\n  b:3:4: two\x1b[0m", "state": ""}
    )
    assert said.splitlines()[1:] == ["  where  commit 5", "  why    a:1:2: one", "         b:3:4: two [0m"]

from __future__ import annotations

import json
from typing import Any

import pytest
from tests import stories

from ephemeral_castle.model.castle import Budget, Verb
from ephemeral_castle.views.card import card_json, card_text, commands
from ephemeral_castle.views.jsonl import event_line, version_line
from ephemeral_castle.views.listings import answer_text, doctor_text, init_text, log_lines, runs_text
from ephemeral_castle.views.planview import flat, plan_json, plan_text, point_of_no_return
from ephemeral_castle.views.statusview import alarms, status_json, status_text

SURVEY: dict[str, Any] = {
    "castle": "here",
    "site": "home",
    "life": 4,
    "state": "up",
    "machines": [{"id": 431, "name": "data", "state": "running", "address": "10.89.77.31", "memory": 2 * 1024**3}],
    "addresses": {"database": "127.0.0.1:15432"},
    "treasures": {
        "database": {
            "state": "running",
            "backup": {"label": "20261122-032815F", "age": 3600.0},
            "proof": {"label": "20261122-032815F", "age": 3500.0},
            "archiving": {"healthy": True, "detail": "last segment 12 s ago"},
            "rpo": {"seconds": 12.0, "bound": True, "why": "age of the last archived segment"},
        }
    },
    "budget": {"rpo": 60.0, "rto": 30.0, "proof_max_age": 86400.0},
}
CARD: dict[str, Any] = {
    "castle": "here",
    "id": "2f1e",
    "life": 4,
    "definition": "https://git.example.org/castle.git",
    "treasury": {"url": "s3://castle-here", "endpoint": "https://s3.example.org", "ca_fingerprint": "AB:CD"},
    "recipient": "age1qqq",
    "secrets": [{"name": "key file", "where": "/etc/castle/here.key", "for": "identity and keys of the treasury"}],
    "version": "0.1.0",
    "printed": stories.BORN,
}


def treasure(**changes: object) -> dict[str, Any]:
    database = {**SURVEY["treasures"]["database"], **changes}
    return {**SURVEY, "treasures": {"database": database}}


def test_plan(golden):
    text = plan_text(stories.plan(), budget=Budget(rto=30.0), treasury="s3://castle-here", survey=SURVEY)
    golden("plan.txt", text + "\n")


def test_the_plan_marks_the_point_of_no_return_before_the_first_deletion():
    found = point_of_no_return(stories.plan())
    assert found is not None
    assert found.id == "machines.wipe"
    lines = plan_text(stories.plan()).splitlines()
    at = next(index for index, line in enumerate(lines) if "point of no return" in line)
    assert "machines/wipe" in lines[at + 1]


@pytest.mark.parametrize("verb", list(Verb))
def test_every_verb_has_a_promise(verb):
    assert verb.value in plan_text(stories.plan(verb))


def test_plan_json_is_the_stored_plan():
    data = json.loads(json.dumps(plan_json(stories.plan())))
    assert data["point_of_no_return"] == "machines.wipe"
    assert data["plan"] == json.loads(json.dumps(stories.plan().to_json()))


def test_settings_are_shown_by_dotted_name():
    assert flat({"proof": {"max_age": "24h"}, "keys": ""}) == [("proof.max_age", "24h"), ("keys", "-")]


def test_status_shows_the_newest_full_backup_where_a_treasure_knows_one():
    full = {"label": "20261115-030000F", "age": 3 * 86400.0, "every": 7 * 86400.0}
    text = status_text({"castle": "here", "treasures": {"database": {"state": "up", "full": full}}})
    (line,) = [line for line in text.splitlines() if "full backup" in line]
    assert "(20261115-030000F)" in line
    assert line.index("3d") < line.index("7d")


def test_status(golden):
    golden("status.txt", status_text(SURVEY) + "\n")
    assert status_json(SURVEY)["healthy"] is True


@pytest.mark.parametrize(
    ("survey", "text"),
    [
        (treasure(archiving={"healthy": False, "detail": "3 failed"}), "archiving fails: 3 failed"),
        (treasure(rpo={"seconds": 61.0}), "data at risk: 1m01s, RPO is 1m00s"),
        (treasure(rpo={"seconds": 61.0, "budget": 60.5}), "data at risk: 1m01s, RPO is 1m00s"),
        (treasure(proof={"age": 90000.0}), "the last proof is old: 25h00m, proof.max_age is 24h00m"),
        ({**SURVEY, "alarms": [{"severity": "warning", "text": "the pod is locked"}]}, "the pod is locked"),
    ],
)
def test_alarms(survey, text):
    (alarm,) = alarms(survey)
    assert text in alarm["text"]
    assert status_json(survey)["healthy"] is False
    assert text in status_text(survey)


def test_files_may_be_older_than_rows():
    """The RPO of a database, 60 seconds, was an alarm for files that a nightly backup takes, all day long."""
    survey = treasure(rpo={"seconds": 3600.0, "budget": 90000.0})
    assert alarms(survey) == []
    assert "1h00m of 25h00m" in status_text(survey)


def test_what_is_not_known_is_not_called_healthy():
    text = status_text({"castle": "here", "treasures": {"database": {}}, "unseen": ["machines: not root"]})
    assert "archiving  unknown" in text
    assert "RPO now    unknown" in text
    assert "not seen: machines: not root" in text


def test_card(golden):
    golden("card.txt", card_text(CARD) + "\n")
    assert card_json(CARD)["commands"][0] == "uv tool install ./ephemeral_castle-0.1.0-py3-none-any.whl"


def test_a_card_of_a_treasury_on_the_same_computer_warns():
    text = card_text({**CARD, "treasury": {"url": "s3://castle-here", "server": "here"}})
    assert "warning: this treasury is kept beside the machines" in text
    assert "warning" not in card_text(CARD)


def test_commands_of_the_card_are_safe_to_paste():
    lines = [line for line, _ in commands({"castle": "here; rm -rf /", "definition": "/srv/my castle.yaml"})]
    assert any("--confirm 'here; rm -rf /'" in line for line in lines)
    assert any("-f 'my castle.yaml'" in line for line in lines)


def test_doctor(golden):
    checks: list[dict[str, Any]] = [
        {"title": "root", "ok": True, "fact": "uid 0", "mend": "", "section": "this computer"},
        {
            "title": "podman",
            "ok": False,
            "fact": "not installed",
            "mend": "apt-get install podman",
            "section": "this computer",
        },
        {"title": "object lock", "ok": None, "fact": "the server has none", "mend": "", "section": "treasury"},
        {"title": "copies", "ok": None, "fact": "none", "mend": "copy it to another computer", "section": "treasury"},
    ]
    golden("doctor.txt", doctor_text(checks) + "\n")


def test_runs():
    run = {"id": "01JD8X", "verb": "rebirth", "site": "home", "status": "done", "created_at": 0.0, "finished_at": 17.3}
    lines = runs_text([run]).splitlines()
    assert lines[1].split() == ["01JD8X", "rebirth", "home", "done", "1970-01-01T00:00:00Z", "17.3s"]
    assert runs_text([]) == "no runs yet"


def test_the_log_shows_every_event():
    story = stories.good()
    lines = log_lines(story.events, stories.BORN)
    assert len(lines) == len(story.events)
    assert any("step.intent" in line and "machines/wipe#1" in line for line in lines)


def test_json_lines_begin_with_the_version():
    assert json.loads(version_line("0.1.0", "r")) == {"kind": "version", "v": 1, "castle": "0.1.0", "run": "r"}
    event = stories.good().events[2]
    assert json.loads(event_line(event)) == event.to_json()
    assert "\n" not in event_line(event)


def test_answers_and_init():
    assert answer_text({"text": "it will stop", "undo": ["database/fence"]}) == "it will stop\n  undo  database/fence"
    text = init_text({"files": ["castle.yaml"], "timer": "[Timer]\nOnCalendar=daily\n"})
    assert text.startswith("wrote castle.yaml\n")
    assert "  OnCalendar=daily" in text
    assert text.endswith("next: `castle raise --new`")

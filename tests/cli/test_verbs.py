"""What each verb asks of the composition root, and what it prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests import stories

from ephemeral_castle.spi.driver import Check

if TYPE_CHECKING:
    from tests.cli.conftest import FakeWiring


def asked(wired: FakeWiring, what: str) -> list[Any]:
    return [each for each in wired.asked if each[0] == what]


def test_rebirth_needs_the_name_and_gives_the_whole_command(run, wired):
    result = run("rebirth", "-f", "my castle.yaml", "--cold", "--confirm", "tower", "--site", "home")
    assert result.exit_code == 7
    assert asked(wired, "start") == []
    assert "the name given was `tower`, the castle is `here`" in result.stderr
    last = "hint: `castle rebirth -f 'my castle.yaml' --cold --site home --confirm here`"
    assert result.stderr.splitlines()[-1] == last


def test_the_log_of_a_step_that_does_not_exist_was_empty(run, wired):
    result = run("logs", "--step", "database/sael")
    assert result.exit_code == 2
    assert "no layer or step `database/sael` did anything in run" in result.stderr
    assert "database/seal" in result.stderr


def test_a_plan_of_a_restore_could_not_name_its_treasure(run, wired):
    at = "2026-02-07T19:00:00+01:00"
    assert run("plan", "restore", "--offline", "--side", "--to", at).exit_code == 0
    assert ("plan", "restore", {"to": at, "side": True}, None) in wired.asked
    result = run("plan", "restore", "--offline", "--layer", "fils")
    assert result.exit_code == 2
    assert "there is no treasure `fils`" in result.stderr


@pytest.mark.parametrize("words", [["--side"], ["--layer", "x"], ["--to", "2026-02-07T19:00:00+01:00"]])
def test_words_of_a_restore_are_refused_in_the_plan_of_another_verb(run, wired, words):
    result = run("plan", "raise", "--offline", *words)
    assert result.exit_code == 2
    assert f"{words[0]} says nothing to `raise`" in result.stderr


@pytest.mark.parametrize(
    "words", [["rebirth"], ["wipe"], ["restore"], ["restore", "--set", "X"], ["down"], ["raise", "--source-lost"]]
)
def test_nothing_irreversible_starts_without_the_name(run, wired, words):
    result = run(*words, "--json")
    assert result.exit_code == 7
    assert json.loads(result.stderr)["hints"] == [f"`castle {' '.join(words)} --json --confirm here`"]
    assert asked(wired, "start") == asked(wired, "down") == []


def test_the_name_is_asked_for_on_a_terminal(run, wired, monkeypatch):
    monkeypatch.setattr("ephemeral_castle.cli.confirm.asks", lambda: True)
    assert run("rebirth", input="here\n").exit_code == 0
    assert len(asked(wired, "start")) == 1
    wired.asked.clear()
    result = run("rebirth", input="there\n")
    assert result.exit_code == 7
    assert "This destroys castle here on site home" in result.stderr
    assert asked(wired, "start") == []
    assert run("rebirth", input="").exit_code == 7
    assert asked(wired, "start") == []


def test_under_json_nobody_is_asked(run, wired, monkeypatch):
    monkeypatch.setattr("ephemeral_castle.cli.confirm.asks", lambda: True)
    assert run("rebirth", "--json", input="here\n").exit_code == 7


FLAGS: dict[str, dict[str, Any]] = {
    "--adopt": {"adopt": True},
    "--new": {"new": True},
    "--abandon-data": {"abandon_data": True},
    "--source-lost": {"source_lost": True},
    "--cold": {"cold": True},
    "--replan": {"replan": True},
    "--accept-loss-after=0/5A": {"accept_loss_after": "0/5A"},
    "--set=L": {"set_label": "L"},
}


@pytest.mark.parametrize("verb", ["rebirth", "raise"])
@pytest.mark.parametrize(("flag", "request_kwargs"), FLAGS.items())
def test_flags_reach_the_run(run, wired, verb, flag, request_kwargs):
    assert run(verb, flag, "--confirm", "here", "--site", "away").exit_code == 0
    assert asked(wired, "start") == [("start", verb, request_kwargs, "away")]


def test_request_fields_are_those_of_the_driver_interface():
    import dataclasses

    from ephemeral_castle.spi.driver import Request

    known = {f.name for f in dataclasses.fields(Request)} | {"replan"}
    assert {key for kwargs in FLAGS.values() for key in kwargs} <= known


@pytest.mark.parametrize("words", [["--new", "--adopt"], ["--new", "--set", "L"], ["--new", "--source-lost"]])
def test_flags_that_exclude_one_another(run, wired, words):
    assert run("raise", *words, "--confirm", "here").exit_code == 2
    assert wired.asked == []


def test_raise_without_giving_anything_up_needs_no_name(run, wired):
    assert run("raise", "--new").exit_code == 0
    assert run("raise", "--new", "--confirm", "wrong").exit_code == 7


def test_backup_and_seal(run, wired):
    assert run("backup", "--full", "--expire").exit_code == 0
    assert run("seal").exit_code == 0
    assert asked(wired, "start") == [
        ("start", "backup", {"full": True, "expire": True}, None),
        ("start", "seal", {}, None),
    ]


def test_restore_beside_the_living_needs_no_name(run, wired):
    at = "2026-02-07T19:00:00+01:00"
    assert run("restore", "--side", "--to", at).exit_code == 0
    assert asked(wired, "start") == [("start", "restore", {"to": at, "side": True}, None)]


@pytest.mark.parametrize(("at", "why"), [("yesterday", "not ISO 8601"), ("2026-02-07T19:00:00", "no offset from UTC")])
def test_a_point_in_time_must_be_exact(run, wired, at, why):
    result = run("restore", "--side", "--to", at)
    assert result.exit_code == 2
    assert why in result.stderr


def test_detach_prints_the_run_and_leaves(run, wired):
    wired.story = stories.Story()  # would never end
    assert run("seal", "--detach").stdout == "01JD8X\n"
    assert json.loads(run("seal", "--detach", "--json").stdout)["run"] == "01JD8X"


def test_a_run_prints_progress_aside_and_the_report_as_data(run, wired):
    result = run("rebirth", "--confirm", "here")
    assert result.exit_code == 0
    assert "✔ castle here is up" in result.stdout
    assert "machines/wipe" in result.stderr
    assert "00:" not in result.stdout


def test_a_run_under_json_is_lines_with_the_report_last(run, wired):
    lines = [json.loads(line) for line in run("rebirth", "--confirm", "here", "--json").stdout.splitlines()]
    assert lines[0]["kind"] == "version"
    assert [line["kind"] for line in lines[1:-1]] == [event.kind.value for event in wired.story.events]
    assert lines[-1]["kind"] == "report"


def test_json_without_progress_is_the_report_alone(run, wired):
    result = run("rebirth", "--confirm", "here", "--json", "--progress", "none")
    assert json.loads(result.stdout)["kind"] == "report"
    assert result.stderr == ""


def test_plan_looks_at_the_world_unless_told_not_to(run, wired):
    assert "seen now" in run("plan").stdout
    assert asked(wired, "plan") == [("plan", "rebirth", {}, None)]
    assert "proof.max_age" in run("plan", "wipe", "--offline").stdout
    assert len(asked(wired, "survey")) == 1
    assert json.loads(run("plan", "raise", "--new", "--json", "--offline").stdout)["plan"]["verb"] == "raise"


def test_status_raises_an_alarm_by_its_exit_code(run, wired):
    assert run("status").exit_code == 0
    wired.survey_answer["alarms"] = [{"severity": "error", "text": "archiving fails", "mend": "castle doctor"}]
    result = run("status")
    assert result.exit_code == 8
    assert "✗ error: archiving fails" in result.stdout
    assert json.loads(run("status", "--json").stdout)["healthy"] is False


def test_doctor_without_a_definition_looks_at_the_computer(run, wired, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("doctor").exit_code == 0
    assert asked(wired, "doctor") == [("doctor", None)]
    (tmp_path / "castle.yaml").touch()
    wired.checks.append(Check("podman", False, "not installed", "apt-get install podman"))
    result = run("doctor")
    assert result.exit_code == 8
    assert "`apt-get install podman`" in result.stdout
    assert asked(wired, "doctor")[-1] == ("doctor", "here")
    assert json.loads(run("doctor", "--json").stdout)["checks"][1]["ok"] is False


def test_the_file_may_come_from_the_environment(run, wired):
    run("status", env={"CASTLE_FILE": "/srv/c.yaml"})
    run("status", "-f", "other.yaml", env={"CASTLE_FILE": "/srv/c.yaml"})
    assert asked(wired, "load") == [("load", "/srv/c.yaml"), ("load", "other.yaml")]


def test_cancel_runs_logs_report_card(run, wired, golden):
    assert run("cancel").stdout.startswith("everything is undone")
    assert json.loads(run("cancel", "01JD8X", "--json").stdout)["run"] == "01JD8X"
    assert "01JD8X" in run("runs").stdout
    golden("logs.txt", run("logs").stdout)
    assert all("database/seal" in line for line in run("logs", "--step", "database/seal").stdout.splitlines())
    assert "database/" in run("logs", "--step", "database").stdout
    assert json.loads(run("logs", "--json").stdout.splitlines()[-1])["kind"] == "run.finished"
    assert "castle here is up" in run("report").stdout
    assert json.loads(run("report", "--json").stdout)["failure"] is None
    assert "key file" in run("card").stdout
    assert json.loads(run("card", "--json").stdout)["kind"] == "card"


@pytest.mark.parametrize("verb", ["watch", "resume", "cancel", "logs", "report"])
def test_an_unknown_run_is_10(run, wired, verb):
    result = run(verb, "nope")
    assert result.exit_code == 10
    assert result.stderr.splitlines()[-1] == "hint: `castle runs`"


def test_the_report_of_a_failed_run_shows_both_and_exits_0(run, wired):
    wired.story = stories.broken()
    result = run("report")
    assert result.exit_code == 0
    assert "rebirth of castle here: failed" in result.stdout
    assert "castle resume" in result.stdout.splitlines()[-1]
    assert json.loads(run("report", "--json").stdout)["failure"]["step"] == "database.restore"


def test_prefetch_and_down(run, wired):
    result = run("prefetch")
    assert "installing packages (50 %)" in result.stderr
    assert "localhost/castle-machine:1" in result.stdout
    lines = [json.loads(line) for line in run("prefetch", "--json").stdout.splitlines()]
    assert [line["kind"] for line in lines] == ["progress", "prefetch"]
    assert lines[-1]["machine"] == "localhost/castle-machine:1"
    assert "castle-here-431" in run("down", "--confirm", "here").stdout


def test_init_asks_only_on_a_terminal(run, wired, monkeypatch):
    assert run("init", "--name", "tazlab").exit_code == 0
    defaults = {"endpoint": "", "bucket": "", "memory": "2GiB", "database": "app", "user": "app"}
    assert asked(wired, "init") == [("init", {"name": "tazlab", **defaults}, ".")]
    monkeypatch.setattr("ephemeral_castle.cli.verbs.init.asks", lambda: True)
    result = run("init", "--name", "tazlab", "--bucket", "", input="\n4GiB\nblog\n\n")
    assert result.exit_code == 0
    answers = asked(wired, "init")[-1][1]
    assert (answers["memory"], answers["database"], answers["user"], answers["bucket"]) == ("4GiB", "blog", "app", "")
    assert "wrote castle.yaml" in result.stdout


def test_the_answers_of_init_are_those_of_the_template():
    import dataclasses

    from ephemeral_castle.cli.verbs.init import QUESTIONS
    from ephemeral_castle.definition.template import Answers

    assert set(QUESTIONS) == {f.name for f in dataclasses.fields(Answers)}


def test_a_resume_after_a_change_of_the_definition_says_so_in_the_run(run, wired, monkeypatch):
    wired.note = "castle.yaml changed since this run began"
    monkeypatch.setattr("ephemeral_castle.cli.verbs.resume.show", lambda *words, **more: 0)
    assert run("resume").exit_code == 0
    assert asked(wired, "resume") == [("resume", wired.story.run, wired.note)]


def test_a_resume_and_a_raise_may_be_told_to_heal(run, wired, monkeypatch):
    for verb in ("resume", "raise_"):
        monkeypatch.setattr(
            f"ephemeral_castle.cli.verbs.{verb}.{'show' if verb == 'resume' else 'start'}", told := Told()
        )
    assert run("resume", "--heal").exit_code == 0
    assert asked(wired, "resume") == [("resume", wired.story.run, "heal")]
    assert run("raise", "--heal").exit_code == 0
    assert told.words[-1] == {"heal": True}


class Told:
    """What a verb hands on."""

    def __init__(self) -> None:
        self.words: list[dict[str, object]] = []

    def __call__(self, *words, **more):
        self.words += [each for each in words if isinstance(each, dict)]
        return 0

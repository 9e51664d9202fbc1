"""Every error reaches the person in one form, with its exit code."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import click
import pytest

from ephemeral_castle import errors


def test_an_error_is_told_on_standard_error_with_its_code(run, wired, golden):
    wired.error = errors.Refused(
        "the last proof does not cover what was written since",
        where="layer database",
        why="a WAL segment is missing: 00000003000000000000005B",
        state="nothing was changed",
        hints=["castle backup --full", "castle rebirth --accept-loss-after 0/5A000028"],
    )
    result = run("status")
    assert result.exit_code == 9
    assert result.stdout == ""
    golden("error.txt", result.stderr)


def test_under_json_the_error_is_an_object(run, wired):
    wired.error = errors.Denied("no", why="403", hints=("castle doctor",))
    result = run("status", "--json")
    assert result.exit_code == 4
    data = json.loads(result.stderr)
    assert data["kind"] == "error"
    assert (data["error"], data["code"], data["why"], data["hints"]) == ("Denied", 4, "403", ["castle doctor"])


@pytest.mark.parametrize(
    "kind",
    [errors.Transient, errors.Refused, errors.UsageError, errors.NeedsConfirmation, errors.NoSuchRun, errors.Busy],
)
def test_each_kind_has_its_exit_code(run, wired, kind):
    wired.error = kind("x")
    assert run("status").exit_code == kind.exit_code


def test_a_definition_with_errors_shows_its_diagnostics(run, wired):
    wired.error = errors.DefinitionInvalid("castle.yaml has 1 error", ("castle.yaml:3:1: unknown key `laiers`",))
    result = run("plan")
    assert result.exit_code == 3
    assert "castle.yaml:3:1: unknown key `laiers`" in result.stderr


def test_a_bug_says_so_and_keeps_the_traceback_in_a_private_file(run, wired, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    wired.error = ZeroDivisionError("division by zero")
    result = run("status")
    assert result.exit_code == 1
    assert "this is a bug in castle: ZeroDivisionError" in result.stderr
    assert "Traceback" not in result.stderr
    (path,) = Path(tmp_path).glob("castle-bug-*.txt")
    assert str(path) in result.stderr
    assert "ZeroDivisionError: division by zero" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_ctrl_c_is_130(run, wired):
    wired.error = KeyboardInterrupt()
    result = run("status")
    assert result.exit_code == 130
    assert "interrupted" in result.stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["rebrith"], "did you mean `castle rebirth`?"),
        (["frobnicate"], "see `castle --help`"),
        (["plan", "--ofline"], "--offline"),
        (["plan", "frob"], "frob"),
        (["status", "surplus"], "surplus"),
        (["rebirth", "--progress", "loud"], "loud"),
    ],
)
def test_a_wrong_command_line_is_2_and_helps(run, words, text):
    result = run(*words)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert text in result.stderr
    assert result.stderr.splitlines()[-1].startswith("hint: ")


def test_a_wrong_command_line_under_json(run):
    result = run("status", "--json", "--frob")
    assert result.exit_code == 2
    assert json.loads(result.stderr)["code"] == 2


def test_no_verb_shows_the_help(run):
    result = run()
    assert result.exit_code == 2
    assert "rebirth" in result.stderr + result.stdout


def test_an_unknown_site_names_the_nearest(run):
    result = run("plan", "--site", "hom")
    assert result.exit_code == 2
    assert "its sites are home, away" in result.stderr
    assert "--site home" in result.stderr.splitlines()[-1]


def test_a_broken_pipe_is_not_a_bug(run, monkeypatch):
    import errno

    monkeypatch.setattr(click, "echo", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EPIPE, "pipe")))
    assert "bug" not in run("card").output

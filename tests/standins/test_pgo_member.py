"""The first process of an instance, where the real operator has Patroni."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from testbed.standins.api import Refused, Silent
from testbed.standins.pgo import member, names

pytestmark = pytest.mark.evidence("stand-in", "pgo")

CONFIGURATION = {"parameters": {"port": "5432", "archive_command": "cp '%p' x"}, "pg_hba": ["local all postgres peer"]}


class Bell:
    """Rings after some waits."""

    def __init__(self, waits: int) -> None:
        self.waits = waits
        self.rung = False

    def clear(self) -> None:
        pass

    def wait(self, _seconds: float) -> bool:
        self.waits -= 1
        self.rung = self.waits < 0
        return self.rung


class Told:
    """An API server that knows, or does not tell, which database the cluster was born with."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)

    def get(self, *_: str):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return {"metadata": {"annotations": {"initialize": answer}}} if answer else None


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Makes a member whose volume is a folder of the test."""
    monkeypatch.setattr(names, "data_directory", lambda major: str(tmp_path / f"pg{major}"))
    place = member.Place("db", "data", "db-a-x-0", "10.0.0.7", 17, 10)

    def make(*answers: str | Exception, waits: int = 3) -> member.Member:
        found = member.Member(place, Told(*answers), Bell(waits))  # type: ignore[arg-type]
        monkeypatch.setattr(found, "identifier", lambda: "7000")
        monkeypatch.setattr(found, "create", (tmp_path / "pg17").mkdir)
        return found

    return make


def lies(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "PG_VERSION").write_text("17")


def test_a_cluster_without_a_birth_gets_a_new_database(made, tmp_path):
    made("").prepare()
    assert (tmp_path / "pg17").exists()


def test_what_a_restore_left_is_taken(made, tmp_path):
    lies(tmp_path, "pg17_bootstrap")
    made("").prepare()
    assert (tmp_path / "pg17/PG_VERSION").exists()
    assert not (tmp_path / "pg17_bootstrap").exists()


def test_an_empty_volume_in_a_cluster_that_was_born_is_waited_over_and_never_filled(made, tmp_path, capsys):
    found = made("7000")
    found.prepare()
    assert found.bell.rung
    assert not (tmp_path / "pg17").exists()
    assert "waiting for leader to bootstrap" in capsys.readouterr().out


def test_data_of_another_database_are_refused(made, tmp_path):
    lies(tmp_path, "pg17")
    with pytest.raises(SystemExit, match="system ID mismatch"):
        made("9999").prepare()


def test_an_api_server_that_does_not_tell_is_waited_for(made, tmp_path):
    found = made(Silent("gone"), Refused(403, "Forbidden", "not yet"), "")
    found.prepare()
    assert (tmp_path / "pg17").exists()
    assert not found.bell.rung


def test_settings_are_quoted_and_what_a_restore_wrote_stays(made, tmp_path):
    lies(tmp_path, "pg17")
    (tmp_path / "pg17/postgresql.auto.conf").write_text("restore_command = 'x'")
    member.settings(made("").place, CONFIGURATION)
    assert "archive_command = 'cp ''%p'' x'" in (tmp_path / "pg17/postgresql.conf").read_text()
    assert (tmp_path / "pg17/postgresql.auto.conf").read_text() == "restore_command = 'x'"


def test_an_edit_that_is_no_configuration_changes_nothing(made, tmp_path, monkeypatch):
    monkeypatch.setattr(member, "KEPT", tmp_path / "kept.json")
    monkeypatch.setenv("PATRONI_SCOPE", "db-ha")
    for key, value in (("NAMESPACE", "data"), ("NAME", "p"), ("ADDRESS", "10.0.0.7")):
        monkeypatch.setenv(f"PATRONI_{key}", value)
    monkeypatch.setenv("PGMAJOR", "17")
    with pytest.raises(json.JSONDecodeError):
        member.edit("{not JSON")
    assert not (tmp_path / "kept.json").exists()

"""The keys of an S3 server that castle does not keep: asked for, read, or plainly missing; never invented."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ephemeral_castle.cli import chores, online, wiring
from ephemeral_castle.cli.places import places
from ephemeral_castle.model.castle import Castle, Verb
from ephemeral_castle.world.keys import KeyFile, NotFilledIn

ELSEWHERE = {"name": "tazlab", "endpoint": "https://s3.example.org"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CASTLE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("CASTLE_RUN", str(tmp_path / "run"))
    monkeypatch.setattr(wiring, "keys_home", lambda: tmp_path / "keys")
    return tmp_path


def begin(home: Path, access: tuple[str, str] | None = None) -> tuple[Castle, list[str]]:
    """`castle init` for a server elsewhere; gives the castle and what was said."""
    answer = asyncio.run(chores.init_castle(ELSEWHERE, home, access))
    return wiring.load_castle(str(home / "castle.yaml")), answer["notes"]


def test_init_wrote_invented_keys_for_a_server_of_others(home: Path) -> None:
    """They looked like real ones, opened nothing, and nobody said that they were to be replaced."""
    castle, notes = begin(home)
    path = home / "keys" / "tazlab.key"
    assert notes == [f"before the first raise: write access_key and secret_key into lines 7 and 8 of {path}"]
    lines = path.read_text().splitlines()
    assert lines[6:8] == ['access_key = ""', 'secret_key = ""']
    with pytest.raises(NotFilledIn, match="is not filled in") as caught:
        KeyFile.load(path)
    assert caught.value.hints[-1] == "castle doctor"
    with pytest.raises(NotFilledIn):
        wiring.start_run(castle, {"new": True}, None, Verb.RAISE)
    assert not places("tazlab").journal.exists(), "nothing begins"


def test_plan_and_status_say_that_keys_are_missing(home: Path) -> None:
    castle, _ = begin(home)
    alarms = online._frame(castle, castle.site())["alarms"]
    assert [alarm["text"].partition(":")[0] for alarm in alarms] == ["the access key of the treasury is not filled in"]
    path = home / "keys" / "tazlab.key"
    path.write_text(path.read_text().replace('key = ""', 'key = "GK31"'))
    assert online._frame(castle, castle.site())["alarms"] == []


def test_keys_that_were_given_stand_in_the_key_file(home: Path) -> None:
    _, notes = begin(home, ("GK31", "c0rrect"))
    keys = KeyFile.load(home / "keys" / "tazlab.key")
    assert (keys.access_key, keys.secret_key.reveal(), notes) == ("GK31", "c0rrect", [])


def test_a_key_file_that_is_there_is_left_and_init_says_so(home: Path) -> None:
    begin(home, ("GK31", "c0rrect"))
    (home / "castle.yaml").unlink()
    _, notes = begin(home, ("other", "other"))
    assert notes == [f"{home / 'keys' / 'tazlab.key'} is there already, and was left as it is"]
    assert KeyFile.load(home / "keys" / "tazlab.key").access_key == "GK31"


def test_a_treasury_kept_here_gets_keys_of_its_own(home: Path) -> None:
    answer = asyncio.run(chores.init_castle({"name": "tazlab"}, home, None))
    assert answer["notes"] == []
    assert KeyFile.load(home / "keys" / "tazlab.key").access_key.startswith("CASTLE")


def test_init_reads_the_keys_from_a_file_or_standard_input(run, wired, tmp_path, monkeypatch):
    file = tmp_path / "keys.txt"
    file.write_text("GK31\nc0rrect\n")
    words = ["init", "--endpoint", "https://s3.example.org", "--access"]
    assert run(*words, str(file)).exit_code == 0
    assert wired.access == ("GK31", "c0rrect")
    wired.access = None
    assert run(*words, "-", input="GK31\nc0rrect\n").exit_code == 0
    assert wired.access == ("GK31", "c0rrect")
    file.write_text("GK31\n")
    result = run(*words, str(file))
    assert result.exit_code == 2
    assert "two lines" in result.stderr
    assert run("init", "--access", "-", input="a\nb\n").exit_code == 2
    assert run(*words, str(tmp_path / "nowhere")).exit_code == 2


def test_init_asks_for_the_keys_and_shows_no_secret(run, wired, monkeypatch):
    monkeypatch.setattr("ephemeral_castle.cli.verbs.init.asks", lambda: True)
    given = ["--name", "t", "--bucket", "b", "--memory", "2GiB", "--database", "a", "--user", "a"]
    result = run("init", *given, "--endpoint", "https://s3.example.org", input="GK31\nc0rrect\n")
    assert result.exit_code == 0, result.output
    assert wired.access == ("GK31", "c0rrect")
    assert "c0rrect" not in result.output
    assert run("init", *given, "--endpoint", "https://s3.example.org", input="\n").exit_code == 0
    assert wired.access is None

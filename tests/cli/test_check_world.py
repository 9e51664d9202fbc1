"""`castle check` of a definition: what the world said, and the manifests of its repository."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import FakeWiring

from ephemeral_castle.cli.heard import Heard
from ephemeral_castle.definition.template import Answers, definition_text
from ephemeral_castle.model.castle import Repository
from ephemeral_castle.spi.driver import Check

GOOD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
TWICE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: b\n  a: c\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "castle.yaml").write_text(definition_text(Answers(name="here")))
    return tmp_path


def test_each_look_is_a_line_beside_its_layer(run, wired, here):
    wired.heard = Heard(
        [
            Check("memory", True, "enough", "", "machines"),
            Check("names", False, "the zone refuses our key", "castle secret put key", "machines"),
            Check("versions", None, "off", "", "treasury"),
            Check("store", None, "no answer within 5 s", "", "store", {"seen": False}),
        ]
    )
    result = run("check")
    assert result.exit_code == 3
    assert "✗ castle.yaml:3:5: error: names: the zone refuses our key  [world]" in result.stdout
    assert "hint: castle secret put key" in result.stdout.replace("`", "")
    assert "⚠ warning: versions: off  [world]" in result.stdout
    assert "store: no answer within 5 s" in result.stdout.split("not looked into")[1]
    assert "memory" not in result.stdout
    assert "looked at 1 file, 4 looks" in result.stdout
    assert wired.asked[-1] == ("ask", "home", False)


def test_offline_asks_nobody(run, wired, here):
    result = run("check", "--offline")
    assert result.exit_code == 0
    assert "the world was not asked" in result.stdout
    assert not [each for each in wired.asked if each[0] == "ask"]
    assert json.loads(run("check", "--offline", "--json").stdout)["world"] is False


def test_a_definition_with_errors_is_not_asked_about(run, wired, here):
    (here / "castle.yaml").write_text("castle: here\nlaiers: {}\n")
    assert run("check").exit_code == 3
    assert wired.asked == []


def test_a_site_that_does_not_exist(run, wired, here):
    result = run("check", "--site", "hom")
    assert result.exit_code == 2
    assert "its sites: home, away" in result.stderr


def test_a_working_tree_of_this_computer_is_looked_at(run, wired, here):
    (here / "tree").mkdir()
    (here / "tree" / "a.yaml").write_text(TWICE)
    wired.repository = Repository(str(here / "tree"))
    assert f"{here}/tree/a.yaml:6:3: error" in run("check", "--offline").stdout


def test_the_revision_of_a_repository_elsewhere_is_looked_at(run, wired, here):
    wired.repository = Repository("https://git.example.org/castle", "main")
    wired.heard = Heard([], {"apps/a.yaml": TWICE.encode()})
    result = run("check")
    assert result.exit_code == 3
    assert "https://git.example.org/castle at main/apps/a.yaml:6:3: error" in result.stdout
    assert wired.asked[-1] == ("ask", "home", True)


@pytest.mark.parametrize("words", [["--offline"], []])
def test_manifests_that_nobody_fetched_are_told(
    run: Callable[..., object], wired: FakeWiring, here: Path, words: list[str]
) -> None:
    wired.repository = Repository("https://git.example.org/castle", "main")
    result = run("check", "--strict", *words)
    assert result.exit_code == 13  # type: ignore[attr-defined]
    assert "nobody fetched them  [repository-unread]" in result.stdout  # type: ignore[attr-defined]


def test_named_manifests_stand_for_those_of_the_repository(run, wired, here):
    (here / "apps").mkdir()
    (here / "apps" / "a.yaml").write_text(TWICE)
    wired.repository = Repository("https://git.example.org/castle", "main")
    result = run("check", "castle.yaml", "apps", "--offline", "--strict")
    assert "apps/a.yaml:6:3" in result.stdout
    assert "nobody fetched" not in result.stdout


def test_the_lock_of_schemas_is_that_of_the_revision_or_lies_beside_the_definition(run, wired, here):
    wired.repository = Repository("https://git.example.org/castle", "main")
    wired.heard = Heard([], {"apps/a.yaml": GOOD.encode(), "castle-schemas.lock": b"no lock"})
    result = run("check")
    assert result.exit_code == 4
    assert "https://git.example.org/castle at main/castle-schemas.lock" in result.stderr
    wired.heard = Heard([], {"apps/a.yaml": GOOD.encode()})
    (here / "castle-schemas.lock").write_text("no lock")
    assert f"{here}/castle-schemas.lock" in run("check").stderr

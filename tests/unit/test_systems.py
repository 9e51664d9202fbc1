"""`docs/reference/systems.md` says what the tests' markers say, and every test of a real thing carries one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests import evidence
from tests.systems import SYSTEMS
from tests.systems_page import PAGE, page

ROOT = Path(__file__).parents[2]
CONTROLLERS = (["pgo"], ["external_secrets"], ["source_controller"])


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == page(PAGE.read_text()), "scripts/docs writes it"


@pytest.mark.parametrize("path", list(evidence.files()), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_file_says_what_it_shows(path: Path) -> None:
    assert list(evidence.of_file(path.read_text())), "add `pytest.mark.evidence(KIND, *SYSTEMS)`; tests/systems.py"


def test_every_system_is_shown_by_a_test_or_says_why_not() -> None:
    found = evidence.gathered()
    shown = {name: any(found[name].values()) for name in SYSTEMS}
    assert [name for name, system in SYSTEMS.items() if not shown[name] and not system.by_hand] == []
    assert [name for name, system in SYSTEMS.items() if shown[name] and system.by_hand] == [], "a test shows it now"


def test_every_row_has_all_of_it() -> None:
    for name, system in SYSTEMS.items():
        assert all((system.name, system.driver, system.version, system.see)), name
        assert "|" not in "".join(vars(system).values()), f"{name}: it would break the table"


@pytest.mark.parametrize("name", [name for name, system in SYSTEMS.items() if system.pinned])
def test_the_version_tried_is_the_pinned_one(name: str) -> None:
    system = SYSTEMS[name]
    version = next(word.strip(",") for word in system.version.split() if word[0].isdigit())
    assert version in (ROOT / system.pinned).read_text(), f"{system.pinned} pins another version than {version}"


def test_what_stands_in_is_never_called_real() -> None:
    """Both may be true of one file, of two systems in it; never of one."""
    for name, kinds in evidence.gathered().items():
        both = set(kinds["real"]) & set(kinds["stand-in"])
        assert not both, f"{name} is both real and a stand-in in {', '.join(sorted(both))}"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("evidence('genuine', 'podman')", "it is one of real"),
        ("evidence('real')", "names no system"),
        ("evidence('real', 'podmann')", "knows no podmann"),
        ("evidence('real', *OTHERS)", "is neither a text"),
    ],
)
def test_words_that_cannot_be_counted_are_refused(said: str, why: str) -> None:
    with pytest.raises(evidence.Unreadable, match=why):
        list(evidence.of_file(f"pytestmark = pytest.mark.{said}"))


def test_stand_ins_say_so_in_the_files_that_use_them() -> None:
    """A file that takes something from the stand-ins has evidence of that kind, too."""
    for path in evidence.files():
        text = path.read_text()
        modules = [node.module or "" for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
        used = [
            each for each in modules if each.startswith("testbed.standins.") and each.split(".")[2:3] in CONTROLLERS
        ]
        kinds = {kind for kind, _ in evidence.of_file(text)}
        assert not used or "stand-in" in kinds, path

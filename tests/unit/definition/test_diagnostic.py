"""How a finding looks."""

from __future__ import annotations

from ephemeral_castle.definition.diagnostic import Diagnostic, Severity
from ephemeral_castle.definition.suggest import did_you_mean
from ephemeral_castle.model.excerpt import columns

from .samples import changed, only, under_caret


def finding(source: str, col: int, width: int) -> Diagnostic:
    return Diagnostic("castle.yaml", 7, col, Severity.ERROR, "it is wrong", ("mend it",), source, width)


def test_layout() -> None:
    assert finding("    timeot: 5m", 5, 6).render() == (
        "castle.yaml:7:5: error: it is wrong\n    7 |     timeot: 5m\n      |     ^^^^^^\nhint: mend it"
    )


def test_as_dict() -> None:
    assert finding("x", 1, 1).as_dict() == {
        "file": "castle.yaml",
        "line": 7,
        "col": 1,
        "severity": "error",
        "message": "it is wrong",
        "hints": ["mend it"],
    }


def test_caret_stands_under_wide_characters() -> None:
    line, carets = finding("世界: x", 5, 1).render().splitlines()[1:3]
    assert columns(line[: line.index("x")]) == carets.index("^")


def test_long_line_is_cut_around_the_place() -> None:
    shown = finding("a" * 5000 + "HERE" + "b" * 5000, 5001, 4).render()
    assert under_caret(finding("a" * 5000 + "HERE" + "b" * 5000, 5001, 4)) == "HERE"
    assert max(map(len, shown.splitlines())) < 130


def test_nothing_in_a_file_can_move_the_cursor() -> None:
    bad = only(changed("castle: here", 'castle: "\\e[2Jx\\u202e"'))
    assert "\x1b" not in bad.render()
    assert "\u202e" not in bad.render()


def test_suggestion_forgives_case_and_separators() -> None:
    assert did_you_mean("Max-Age", ["max_age", "rto"]) == ("did you mean `max_age`?",)


def test_without_a_near_one_the_known_ones_are_listed() -> None:
    assert did_you_mean("zzz", ["a", "b"], what="layers") == ("layers: `a`, `b`",)
    assert did_you_mean("zzz", []) == ()

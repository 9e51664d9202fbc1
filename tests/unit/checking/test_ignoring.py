"""Comments that leave a finding out, and what is wrong with comments themselves."""

from __future__ import annotations

import pytest

from ephemeral_castle.cli.checking.ignoring import without_ignored
from ephemeral_castle.model.finding import Finding, Mark, Severity

KNOWN = ("root-user", "no-limits")


def finding(line: int, rule: str = "root-user", file: str = "a.yaml") -> Finding:
    return Finding(rule, Severity.ERROR, "wrong", Mark(file, line, 3))


def left(text: str, *findings: Finding, ran=KNOWN) -> list[str]:
    found, _ = without_ignored(findings, {"a.yaml": text}, KNOWN, ran)
    return [each.rule for each in found]


@pytest.mark.parametrize(
    "text",
    [
        "user: 0  # castle:ignore root-user it writes to /dev\n",
        "# castle:ignore root-user it writes to /dev\nuser: 0\n",
        "#castle:ignore root-user,no-limits it writes to /dev\nuser: 0\n",
    ],
)
def test_on_the_line_or_the_line_above(text):
    line = text.splitlines().index(next(row for row in text.splitlines() if "user: 0" in row)) + 1
    found, count = without_ignored([finding(line)], {"a.yaml": text}, KNOWN, ["root-user"])
    assert (found, count) == ([], 1)


def test_no_further_away_and_in_no_other_file():
    text = "# castle:ignore root-user why\n\nuser: 0\n"
    assert left(text, finding(3)) == ["root-user", "ignore-unused"]
    assert left(text, finding(2, file="b.yaml")) == ["root-user", "ignore-unused"]


@pytest.mark.parametrize("comment", ["# castle:ignore", "# castle:ignore root-user", "# castle:ignore root-user   "])
def test_without_a_reason_it_leaves_nothing_out_and_says_so(comment):
    assert left(f"user: 0 {comment}\n", finding(1)) == ["root-user", "ignore-without-reason"]


def test_a_misspelled_rule_is_told_with_the_near_one():
    found, count = without_ignored([finding(1)], {"a.yaml": "x # castle:ignore rot-user why\n"}, KNOWN, KNOWN)
    assert [each.rule for each in found] == ["root-user", "ignore-unknown-rule"]
    assert found[1].hints == ("did you mean `root-user`?",)
    assert (found[1].mark.line, found[1].mark.column, count) == (1, 5, 0)


def test_a_comment_is_called_unused_only_where_its_rule_looked():
    text = "x # castle:ignore root-user why\n"
    assert left(text) == ["ignore-unused"]
    assert left(text, ran=["no-limits"]) == []


def test_a_word_inside_a_value_is_no_comment():
    assert left("url: https://x/#castle:ignore root-user why\n", finding(1)) == ["root-user"]

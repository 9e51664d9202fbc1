"""The answer of `castle check` in each of its forms."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from ephemeral_castle.model.checked import Checked, Explanation, ordered
from ephemeral_castle.model.finding import Edit, Finding, Mark, Severity
from ephemeral_castle.views.findings.data import checked_json
from ephemeral_castle.views.findings.explained import explained_text, rules_text
from ephemeral_castle.views.findings.github import checked_github
from ephemeral_castle.views.findings.junit import checked_junit
from ephemeral_castle.views.findings.sarif import checked_sarif
from ephemeral_castle.views.findings.text import checked_text

NAME = Finding(
    "pgo-user-name",
    Severity.ERROR,
    "`tazlab_memory` is no name that Kubernetes takes",
    Mark("apps/db.yaml", 12, 13, 13),
    hints=("write `tazlab-memory`", "castle check --fix"),
    says='PostgresCluster.postgres-operator.crunchydata.com "db" is invalid: spec.users[1].name: Invalid value',
    subject="PostgresCluster tazlab/db",
    path="spec.users[1].name",
    chain=(Mark("clusters/home/kustomization.yaml", 4, 5), Mark("apps/kustomization.yaml", 3, 5)),
    edits=(Edit(Mark("apps/db.yaml", 12, 13, 13), "tazlab-memory"),),
)
ENCRYPTION = Finding(
    "pgbackrest-encryption",
    Severity.WARNING,
    "the backups are not encrypted",
    Mark("apps/db.yaml", 20, 5),
    subject="PostgresCluster tazlab/db",
)
VALUE = Finding(
    "substitution",
    Severity.NOTE,
    "a variable",
    Mark("apps/a.yaml", 3, 9, 4, via=Mark("vars.yaml", 7, 3)),
    ("x: y, 100%",),
)
WORLD = Finding("world", Severity.ERROR, "the zone refuses our key", Mark(""), ("castle doctor",))
CHART = [
    Finding(
        "chart",
        Severity.UNDECIDED,
        "helm is not installed",
        Mark("c.yaml", 1),
        ("apt install helm",),
        subject=f"HelmRelease x/{n}",
    )
    for n in range(5)
]
ANSWER = Checked(
    looked=(".",),
    findings=tuple(ordered([VALUE, ENCRYPTION, NAME, NAME, WORLD])),
    undecided=tuple(CHART),
    lines={("apps/db.yaml", 12): "    - name: tazlab_memory", ("apps/db.yaml", 20): "    repos:"},
    counts={"file": 3, "object": 17},
    ignored=2,
    known=1,
    rules={"pgo-user-name": Explanation("pgo-user-name", "a name", "It is refused.")},
    world=False,
    next="castle check --fix, with the same paths",
)


def test_text(golden):
    golden("check.txt", checked_text(ANSWER) + "\n")


def test_sarif(golden):
    golden("check.sarif", json.dumps(checked_sarif(ANSWER, "1.2.3"), indent=2) + "\n")


def test_junit(golden):
    golden("check.junit.xml", checked_junit(ANSWER))


def test_github(golden):
    golden("check.github.txt", checked_github(ANSWER))


def test_json(golden):
    golden("check.json", json.dumps(checked_json(ANSWER), indent=2) + "\n")


def test_the_file_of_the_worst_finding_comes_first_and_doubles_are_told_once():
    assert [each.rule for each in ANSWER.findings] == [
        "world",
        "pgo-user-name",
        "pgbackrest-encryption",
        "substitution",
    ]


def test_nothing_wrong_is_one_line():
    assert checked_text(Checked(counts={"file": 1, "object": 2})) == "✔ nothing wrong; looked at 1 file, 2 objects"


def test_an_answer_without_findings_is_a_passed_test():
    root = ET.fromstring(checked_junit(Checked()))
    assert [case.get("name") for case in root.iter("testcase")] == ["nothing wrong"]
    assert not list(root.iter("failure"))


EVIL = Finding("x", Severity.ERROR, "a\x1b[2J\n::error::b", Mark("a,b:c\n.yaml", 1, 1), ("\x00%0A",), says="]]>&<")


def test_nothing_that_was_found_can_drive_a_terminal_or_a_workflow():
    evil = Checked(findings=(EVIL,), lines={("a,b:c\n.yaml", 1): "\x1b[2J: x"})
    assert "\x1b" not in checked_text(evil)
    lines = checked_github(evil).splitlines()
    assert len(lines) == 1
    assert "\x1b" not in lines[0]
    assert "file=a%2Cb%3Ac .yaml" in lines[0]
    failure = next(ET.fromstring(checked_junit(evil)).iter("failure"))
    assert "]]>&<" in (failure.text or "")


def test_a_rule_is_explained_with_both_examples():
    rule = Explanation("a-rule", "finds a thing", "Because. " * 30, "a post", "bad: 1\n", "good: 1\n")
    text = explained_text(rule)
    for part in ("a-rule: finds a thing", "known from  a post", "fails\n  bad: 1", "passes\n  good: 1"):
        assert part in text
    assert max(map(len, text.splitlines())) <= 110
    assert rules_text([rule]).startswith("a-rule  finds a thing")


@pytest.mark.parametrize(("severity", "number"), [("error", 2), ("warning", 3), ("note", 4)])
def test_how_many_are_at_least_so_bad(severity, number):
    assert len(ANSWER.at_or_above(Severity(severity))) == number


def test_on_a_terminal_words_and_hints_are_broken_and_places_are_not():
    lines = checked_text(ANSWER, width=60).splitlines()
    assert max(len(line) for line in lines if line.startswith("    ")) <= 60
    says = next(index for index, line in enumerate(lines) if line.startswith("    says  "))
    assert lines[says + 1].startswith(" " * 10)
    assert any(line.startswith("✗ apps/db.yaml:12:13: error:") and len(line) > 60 for line in lines)
    assert checked_text(ANSWER, width=500) == checked_text(ANSWER)

"""Every rule finds its fault, at the line and nothing else, and lets its look-alikes pass."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ephemeral_castle.manifests.load import plain
from ephemeral_castle.manifests.rules import BY_ID, RULES, find
from ephemeral_castle.manifests.rules.examples import EXAMPLES
from ephemeral_castle.manifests.rules.failure import Kind
from ephemeral_castle.manifests.rules.failures import FAILURES
from ephemeral_castle.manifests.rules.rule import Setting
from ephemeral_castle.model.finding import Finding, Severity
from tests.rules import bed

IDS = [rule.id for rule in RULES]


def alarms(tree: Path, files: dict[str, str]) -> list[Finding]:
    """What is found, without what nobody can know."""
    every = find(bed.repository(files), bed.setting(tree))
    return [each for each in every if each.severity is not Severity.UNDECIDED]


@pytest.mark.parametrize("name", IDS)
def test_a_fault_is_found_where_it_is(name):
    tree = bed.HERE / name / "fails"
    files = bed.texts(tree)
    found = alarms(tree, files)
    assert {each.rule for each in found} == {name}, [f"{each.rule} {each.mark}: {each.message}" for each in found]
    assert {(each.mark.file, each.mark.line) for each in found} == bed.marked(files)


@pytest.mark.parametrize("name", IDS)
def test_a_look_alike_is_left_alone(name):
    tree = bed.HERE / name / "passes"
    files = bed.texts(tree)
    assert files, f"{name} has no look-alike"
    found = alarms(tree, files)
    assert [f"{each.rule} {each.mark}: {each.message}" for each in found] == []


def test_every_fixture_belongs_to_a_rule():
    assert {path.parent.name for path in bed.HERE.glob("*/fails")} == set(IDS) == set(BY_ID)


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_a_rule_explains_itself(rule):
    assert rule.title
    assert not rule.title.endswith(".")
    assert rule.why.endswith(".")
    assert rule.source


@pytest.mark.parametrize("name", IDS)
def test_what_is_said_is_one_line(name):
    tree = bed.HERE / name / "fails"
    for each in find(bed.repository(bed.texts(tree)), Setting()):
        assert "\n" not in each.message
        assert not each.message.endswith(".")
        assert each.says == "" or "\n" not in each.says


def test_every_rule_has_examples_that_are_yaml_and_differ():
    assert set(EXAMPLES) == set(IDS)
    for fails, passes in EXAMPLES.values():
        assert fails != passes
        for text in (fails, passes):
            assert plain(text)[1] == []


class TestFailures:
    """The table of failures: whole, and true to the rules."""

    def test_has_every_number(self):
        expected = [f"F{number}" for number in range(1, 190)] + [f"L{number}" for number in range(1, 18)]
        assert [one.number for one in FAILURES] == expected

    def test_each_is_met_or_says_why_not(self):
        named = {number for rule in RULES for number in rule.failures}
        assert named <= {one.number for one in FAILURES}
        for one in FAILURES:
            assert (one.kind is Kind.RULE) == (one.number in named), one.number
            assert one.kind is Kind.RULE or one.answer, one.number
            assert one.tags.split()

    def test_what_files_or_a_look_ahead_could_show_is_not_left_to_luck(self):
        seen = [one for one in FAILURES if {"LINT", "PRE"} & set(one.tags.split())]
        assert len(seen) > 100
        assert all(one.kind is not Kind.NOT or len(one.answer) > 20 or one.answer.startswith("as F") for one in seen)

    def test_links_of_its_answers_lead_somewhere(self):
        docs = Path(__file__).parents[3] / "docs" / "reference"
        for one in FAILURES:
            for target in re.findall(r"\]\(([^)#]+)", one.answer):
                assert (docs / target).resolve().exists(), (one.number, target)

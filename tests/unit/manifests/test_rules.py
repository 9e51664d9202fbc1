"""Every rule finds its fault, at the line and nothing else, and lets its look-alikes pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from ephemeral_castle.manifests.rules import BY_ID, RULES, find
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

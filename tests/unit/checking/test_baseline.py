"""Findings that are lived with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ephemeral_castle.cli.checking import baseline
from ephemeral_castle.errors import UsageError
from ephemeral_castle.model.finding import Finding, Mark, Severity


def finding(message: str = "wrong", line: int = 1, file: str = "apps/a.yaml") -> Finding:
    return Finding("root-user", Severity.ERROR, message, Mark(file, line, 3), subject="Pod a/b", path="spec.x")


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> str:
        (tmp_path / "base.yaml").write_text(text)
        return "base.yaml"

    return write


def left(
    findings: list[Finding],
    file: str,
    seen: tuple[str, ...] = ("apps/a.yaml",),
    ran: tuple[str, ...] = ("root-user",),
    looked: tuple[str, ...] = (".",),
) -> tuple[list[Finding], int]:
    return baseline.without_known(findings, baseline.read(file), file, ran, seen, looked)


def test_what_was_written_leaves_out_the_same_findings_also_when_lines_move(file):
    name = file(baseline.written([finding(), finding('says "x": é')], "base.yaml", "the vendor ships it so", ["."]))
    assert left([finding(line=7), finding('says "x": é', 9)], name) == ([], 2)


def test_one_more_of_a_kind_is_told(file):
    name = file(baseline.written([finding(line=1), finding(line=2)], "base.yaml", "why", ["."]))
    found, known = left([finding(line=1), finding(line=2), finding(line=3)], name)
    assert ([each.mark.line for each in found], known) == ([3], 2)


def test_a_stale_entry_is_told_with_its_line(file):
    name = file(baseline.written([finding()], "base.yaml", "why", ["."]))
    (stale,) = left([], name)[0]
    assert (stale.rule, stale.severity, str(stale.mark)) == ("baseline-stale", Severity.NOTE, "base.yaml:5:5")


def test_nothing_is_stale_that_was_not_looked_at(file, tmp_path):
    name = file(baseline.written([finding()], "base.yaml", "why", ["."]))
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "a.yaml").write_text("")
    assert left([], name, seen=()) == ([], 0)
    assert left([], name, ran=()) == ([], 0)


def test_an_entry_that_could_not_be_decided_was_called_stale(file):
    name = file(baseline.written([finding()], "base.yaml", "why", ["."]))
    undecided = replace(finding("whether anything makes it"), severity=Severity.UNDECIDED)
    assert left([undecided], name) == ([undecided], 0)


@pytest.mark.parametrize(("looked", "stale"), [((".",), 1), (("apps",), 0), (("clusters", "apps"), 1), (("..",), 1)])
def test_an_entry_that_needs_what_was_not_named_was_called_stale(file, looked, stale):
    written = ["clusters/lab", "apps"] if len(looked) > 1 else ["."]
    name = file(baseline.written([finding()], "base.yaml", "why", written))
    assert [each.rule for each in left([], name, looked=looked)[0]] == ["baseline-stale"] * stale


def test_a_baseline_that_tells_not_what_was_looked_at_stands_for_its_directory(file):
    text = baseline.written([finding()], "base.yaml", "why", ["apps"]).replace('looked: ["apps"]\n', "")
    assert left([], file(text), looked=("apps",)) == ([], 0)
    assert len(left([], file(text))[0]) == 1


def test_a_place_in_the_words_of_a_finding_hid_its_entry(file):
    name = file(baseline.written([finding("it has 80 (base/svc.yaml:1:1)")], "base.yaml", "why", ["."]))
    assert left([finding("it has 80 (../apps/base/svc.yaml:7:3)")], name) == ([], 1)
    assert left([finding("it has 81 (base/svc.yaml:1:1)")], name)[1] == 0


def test_an_entry_of_a_file_that_is_gone_is_stale(file):
    name = file(baseline.written([finding()], "base.yaml", "why", ["."]))
    assert [each.rule for each in left([], name, seen=())[0]] == ["baseline-stale"]


def test_an_entry_without_a_reason_leaves_nothing_out(file):
    text = baseline.written([finding()], "base.yaml", "why", ["."]).replace('    reason: "why"\n', "")
    found, known = left([finding()], file(text))
    assert ([each.rule for each in found], known) == (["root-user", "baseline-without-reason"], 0)


def test_reasons_survive_a_second_writing(file):
    first = baseline.read(file(baseline.written([finding()], "base.yaml", "the first reason", ["."])))
    again = baseline.written([finding(), finding("new")], "base.yaml", "the second", ["."], first)
    reasons = {each.key[-1]: each.reason for each in baseline.read(file(again))}
    assert reasons == {"wrong": "the first reason", "new": "the second"}


def test_files_are_told_from_the_directory_of_the_baseline(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ci").mkdir()
    (tmp_path / "ci" / "base.yaml").write_text(baseline.written([finding()], "ci/base.yaml", "why", ["."]))
    monkeypatch.chdir(tmp_path / "ci")
    entries = baseline.read("base.yaml")
    moved = finding(file="../apps/a.yaml")
    assert baseline.without_known([moved], entries, "base.yaml", ["root-user"], [], [".."]) == ([], 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "findings: 1",
        "findings: [1]",
        "findings: [{rule: 1}]",
        "findings: [{count: 0}]",
        "a: &a [*a",
        "{looked: 1, findings: []}",
    ],
)
def test_what_is_no_baseline_is_refused(file, text):
    with pytest.raises(UsageError, match="baseline cannot be used"):
        baseline.read(file(text))


def test_a_baseline_that_is_not_there_is_refused():
    with pytest.raises(UsageError):
        baseline.read("/nowhere/base.yaml")

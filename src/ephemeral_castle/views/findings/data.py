"""The answer of `castle check` as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ephemeral_castle.model.checked import ORDER, Checked
from ephemeral_castle.model.finding import Finding, Mark, Severity


def checked_json(checked: Checked) -> dict[str, Any]:
    """One object: `findings`, `undecided`, and the counts of the last line."""
    numbers = {each.value: checked.number(each) for each in ORDER if each is not Severity.UNDECIDED}
    return {
        "kind": "check",
        "v": 1,
        "looked": list(checked.looked),
        "findings": [finding_json(each) for each in checked.findings],
        "undecided": [finding_json(each) for each in checked.undecided],
        "counts": {**numbers, Severity.UNDECIDED.value: len(checked.undecided), **_plural(checked.counts)},
        "ignored": checked.ignored,
        "known": checked.known,
        "world": checked.world,
        "next": checked.next,
    }


def finding_json(each: Finding) -> dict[str, Any]:
    """One finding; what is empty is left out."""
    value = {
        "rule": each.rule,
        "severity": each.severity.value,
        "message": each.message,
        **_mark(each.mark),
        "subject": each.subject,
        "path": each.path,
        "says": each.says,
        "hints": list(each.hints),
        "chain": [_mark(mark) for mark in each.chain],
        "edits": [{**_mark(edit.mark), "text": edit.text} for edit in each.edits],
    }
    return {key: entry for key, entry in value.items() if entry not in ("", [])}


def _mark(mark: Mark) -> dict[str, Any]:
    """`file`, `line`, `column`, `width`; 0 where it is not known; `via`: what put it there."""
    value: dict[str, Any] = {"file": mark.file, "line": mark.line, "column": mark.column, "width": mark.width}
    return {**value, "via": _mark(mark.via)} if mark.via else value


def _plural(counts: Mapping[str, int]) -> dict[str, int]:
    return {f"{word}s": number for word, number in counts.items()}

"""The answer of `castle check` as SARIF 2.1.0 (OASIS standard), which code hosts and editors show.

What was not looked into is told as notifications of the run, not as results: nothing is known to be wrong there.
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

from ephemeral_castle.model.checked import Checked, Explanation
from ephemeral_castle.model.finding import Finding, Mark, Severity, unplaced

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note", Severity.UNDECIDED: "note"}


def checked_sarif(checked: Checked, version: str) -> dict[str, Any]:
    """One log of one run. `version`: of castle."""
    rules = {
        each.rule: checked.rules.get(each.rule, Explanation(each.rule, each.rule, "")) for each in checked.findings
    }
    order = list(rules)
    driver = {"name": "castle check", "version": version, "rules": [_rule(each) for each in rules.values()]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": _notices(checked)}],
        "results": [_result(each, order) for each in checked.findings],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(each: Explanation) -> dict[str, Any]:
    told = {"id": each.id, "shortDescription": {"text": each.title or each.id}}
    return {**told, "fullDescription": {"text": each.why}, "help": {"text": each.why}} if each.why else told


def _result(each: Finding, order: list[str]) -> dict[str, Any]:
    lines = [each.message, each.subject, each.says and f"says: {each.says}", *(f"hint: {text}" for text in each.hints)]
    result: dict[str, Any] = {
        "ruleId": each.rule,
        "ruleIndex": order.index(each.rule),
        "level": _LEVELS[each.severity],
        "message": {"text": "\n".join(filter(None, lines))},
        "partialFingerprints": {"castle/v1": _fingerprint(each)},
    }
    if each.mark.file:
        result["locations"] = [_location(each.mark)]
    via = [mark for mark in (each.mark.via, *each.chain) if mark and mark.file]
    if via:
        result["relatedLocations"] = [_location(mark) for mark in via]
    return result


def _location(mark: Mark) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(mark.file, safe="/:-._~<>@+ ").replace(" ", "%20")}}
    if mark.line:
        region = {"startLine": mark.line}
        if mark.column:
            region |= {"startColumn": mark.column, "endColumn": mark.column + max(1, mark.width)}
        place["region"] = region
    return {"physicalLocation": place}


def _fingerprint(each: Finding) -> str:
    """By what a finding is known again when lines move."""
    said = repr((each.rule, each.mark.file, each.subject, each.path, unplaced(each.message)))
    return hashlib.sha256(said.encode(errors="replace")).hexdigest()[:32]


def _notices(checked: Checked) -> list[dict[str, Any]]:
    return [
        {
            "level": "note",
            "message": {"text": f"not looked into: {each.message} {each.subject}".rstrip()},
            "descriptor": {"id": each.rule},
            **({"locations": [_location(each.mark)]} if each.mark.file else {}),
        }
        for each in checked.undecided
    ]

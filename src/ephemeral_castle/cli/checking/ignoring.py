"""Findings that a comment beside them leaves out: `# castle:ignore RULE reason`, on the line or the line above."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from ephemeral_castle.model.finding import Finding, Mark, Severity

_COMMENT = re.compile(r"(?:^|\s)#\s*castle:ignore\b[ \t]*(?P<rules>[^\s]*)[ \t]*(?P<reason>.*)$")
FORM = "write `# castle:ignore RULE why`"


@dataclass(frozen=True)
class Ignore:
    """One comment."""

    mark: Mark
    rules: tuple[str, ...]
    reason: str


def ignores(file: str, text: str) -> list[Ignore]:
    """The comments of a file."""
    if "castle:ignore" not in text:
        return []
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        match = _COMMENT.search(line)
        if match:
            at = line.index("castle:ignore", match.start()) + 1
            rules = tuple(filter(None, match.group("rules").split(",")))
            found.append(Ignore(Mark(file, number, at, len("castle:ignore")), rules, match.group("reason").strip()))
    return found


def without_ignored(
    findings: Iterable[Finding], texts: Mapping[str, str], known: Collection[str], ran: Collection[str]
) -> tuple[list[Finding], int]:
    """What is left of findings, with what is wrong with the comments themselves; and how many were left out.

    Args:
        findings: all.
        texts: by file.
        known: ids of all rules that there are.
        ran: ids of those that looked.
    """
    comments = [each for file, text in texts.items() for each in ignores(file, text)]
    sound = [each for each in comments if each.reason and each.rules]
    by_place = {
        (each.mark.file, line, rule): each
        for each in sound
        for rule in each.rules
        for line in (each.mark.line, each.mark.line + 1)
    }
    left, used = [], set()
    count = 0
    for finding in findings:
        mark = finding.mark
        comment = by_place.get((mark.file, mark.line, finding.rule))
        if comment is None:
            left.append(finding)
        else:
            count += 1
            used.add((comment, finding.rule))
    return [*left, *_faults(comments, known), *_unused(sound, used, ran)], count


def _faults(comments: Iterable[Ignore], known: Collection[str]) -> list[Finding]:
    found = []
    for each in comments:
        strange = [rule for rule in each.rules if rule not in known]
        if not each.rules or not each.reason:
            message = "this comment leaves nothing out: it names no reason"
            found.append(Finding("ignore-without-reason", Severity.WARNING, message, each.mark, (FORM,)))
        for rule in strange:
            message = f"there is no rule `{rule}`"
            hints = (_near(rule, known),)
            found.append(Finding("ignore-unknown-rule", Severity.WARNING, message, each.mark, hints))
    return found


def _unused(sound: Iterable[Ignore], used: Collection[tuple[Ignore, str]], ran: Collection[str]) -> list[Finding]:
    return [
        Finding("ignore-unused", Severity.NOTE, f"`{rule}` finds nothing here any more", each.mark, ("take it out",))
        for each in sound
        for rule in each.rules
        if rule in ran and (each, rule) not in used
    ]


def _near(rule: str, known: Collection[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(rule, known, n=1)
    return f"did you mean `{near[0]}`?" if near else "`castle explain` lists the rules"

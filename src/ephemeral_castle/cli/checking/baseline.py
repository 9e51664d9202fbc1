"""Findings that somebody decided to live with: a file of them, each with a reason."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ephemeral_castle.errors import UsageError
from ephemeral_castle.model.finding import Finding, Mark, Severity

HEAD = """\
# Findings of `castle check` that somebody decided to live with, each with the reason.
# `castle check --baseline THIS` leaves them out, and tells which of them are gone.
"""
FIELDS = ("rule", "file", "subject", "path", "message", "reason")
Key = tuple[str, ...]  # all fields but the reason: lines move, these stay


@dataclass(frozen=True)
class Entry:
    """One entry, and its place in the baseline. `count`: how many findings of just this kind it stands for."""

    key: Key
    count: int
    reason: str
    mark: Mark


def read(file: str) -> list[Entry]:
    """The entries of a baseline.

    Raises:
        UsageError: it cannot be read, or is no baseline.
    """
    import yaml

    try:
        text = Path(file).read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        value: Any = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _unusable(file, " ".join(str(error).split())) from None
    entries = value.get("findings") if isinstance(value, Mapping) else None
    if not isinstance(entries, list) or not isinstance(root, yaml.MappingNode):
        raise _unusable(file, "it has no list `findings`")
    nodes = next(node for key, node in root.value if key.value == "findings")
    return [_entry(each, file, node.start_mark) for each, node in zip(entries, nodes.value, strict=True)]


def _entry(value: Any, file: str, mark: Any) -> Entry:
    place = Mark(file, mark.line + 1, mark.column + 1)
    if not isinstance(value, Mapping) or not all(isinstance(value.get(key, ""), str) for key in FIELDS):
        raise _unusable(str(place), f"an entry has the texts {', '.join(FIELDS)}")
    count = value.get("count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise _unusable(str(place), "`count` is a whole number from 1")
    return Entry(tuple(value.get(key, "") for key in FIELDS[:-1]), count, value.get("reason", "").strip(), place)


def _unusable(where: str, why: str) -> UsageError:
    hints = ["castle check --write-baseline FILE --reason TEXT"]
    return UsageError("the baseline cannot be used", where=where, why=why, hints=hints)


def without_known(
    findings: Iterable[Finding], entries: Iterable[Entry], file: str, ran: Collection[str], seen: Collection[str]
) -> tuple[list[Finding], int]:
    """What is left of findings, with what is wrong with the baseline itself; and how many were left out.

    Args:
        findings: all.
        entries: of the baseline.
        file: the baseline.
        ran: ids of the rules that looked.
        seen: files that were looked at: of others nothing can be said.
    """
    entries = list(entries)
    room = Counter({each.key: each.count for each in entries if each.reason})
    left, used = [], Counter[Key]()
    for finding in findings:
        key = key_of(finding, file)
        if used[key] < room[key]:
            used[key] += 1
        else:
            left.append(finding)
    here = {_relative(each, file) for each in seen}
    for entry in entries:
        if not entry.reason:
            message = "this entry leaves nothing out: it has no reason"
            hints = ("say in `reason` why the finding is lived with",)
            left.append(Finding("baseline-without-reason", Severity.WARNING, message, entry.mark, hints))
        elif used[entry.key] < entry.count and entry.key[0] in ran and (entry.key[1] in here or _gone(entry, file)):
            text = f"`{entry.key[0]}` of {entry.key[1]} is in the baseline, and is found there no more"
            hints = ("take the entry out, or lower its `count`",)
            left.append(Finding("baseline-stale", Severity.NOTE, text, entry.mark, hints))
    return left, used.total()


def _gone(entry: Entry, file: str) -> bool:
    return not Path(file).parent.joinpath(entry.key[1]).exists()


def written(findings: Iterable[Finding], file: str, reason: str, before: Iterable[Entry] = ()) -> str:
    """The text of a baseline. Entries that were there before keep their reasons."""
    reasons = {each.key: each.reason for each in before if each.reason}
    counted = Counter(key_of(each, file) for each in findings if each.severity is not Severity.UNDECIDED)
    lines = [HEAD.rstrip(), "findings:" if counted else "findings: []"]
    for key, count in sorted(counted.items()):
        values = dict(zip(FIELDS, (*key, reasons.get(key, reason)), strict=True))
        pairs = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in values.items() if value]
        pairs += [f"count: {count}"] if count > 1 else []
        lines += [f"  - {pairs[0]}", *(f"    {pair}" for pair in pairs[1:])]
    return "\n".join(lines) + "\n"


def key_of(finding: Finding, file: str) -> Key:
    """By what a finding is known again. Files are told from the directory of the baseline."""
    return finding.rule, _relative(finding.mark.file, file), finding.subject, finding.path, finding.message


def _relative(path: str, file: str) -> str:
    return os.path.relpath(path, Path(file).parent) if path else path

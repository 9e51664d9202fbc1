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
from ephemeral_castle.model.finding import Finding, Mark, Severity, unplaced

HEAD = """\
# Findings of `castle check` that somebody decided to live with, each with the reason.
# `castle check --baseline THIS` leaves them out, and tells which of them are gone.
"""
FIELDS = ("rule", "file", "subject", "path", "message", "reason")
Key = tuple[str, ...]  # all fields but the reason, places in words without lines: lines move, these stay


@dataclass(frozen=True)
class Entry:
    """One entry.

    Attributes:
        key: by what its findings are known again.
        count: how many findings of just this kind it stands for.
        reason: why they are lived with; "": it leaves nothing out.
        mark: its place in the baseline.
        looked: what was looked at when the baseline was written, from the baseline's directory.
    """

    key: Key
    count: int
    reason: str
    mark: Mark
    looked: tuple[str, ...]


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
    looked = value.get("looked", ["."])
    if not isinstance(looked, list) or not all(isinstance(each, str) for each in looked):
        raise _unusable(file, "`looked` is a list of paths")
    return [_entry(each, file, node.start_mark, tuple(looked)) for each, node in zip(entries, nodes.value, strict=True)]


def _entry(value: Any, file: str, mark: Any, looked: tuple[str, ...]) -> Entry:
    place = Mark(file, mark.line + 1, mark.column + 1)
    if not isinstance(value, Mapping) or not all(isinstance(value.get(key, ""), str) for key in FIELDS):
        raise _unusable(str(place), f"an entry has the texts {', '.join(FIELDS)}")
    count = value.get("count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise _unusable(str(place), "`count` is a whole number from 1")
    *named, message = (value.get(key, "") for key in FIELDS[:-1])
    return Entry((*named, unplaced(message)), count, value.get("reason", "").strip(), place, looked)


def _unusable(where: str, why: str) -> UsageError:
    hints = ["castle check --write-baseline FILE --reason TEXT"]
    return UsageError("the baseline cannot be used", where=where, why=why, hints=hints)


def without_known(
    findings: Iterable[Finding],
    entries: Iterable[Entry],
    file: str,
    ran: Collection[str],
    seen: Collection[str],
    looked: Collection[str],
) -> tuple[list[Finding], int]:
    """What is left of findings, with what is wrong with the baseline itself; and how many were left out.

    Args:
        findings: all.
        entries: of the baseline.
        file: the baseline.
        ran: ids of the rules that looked.
        seen: files that were looked at: of others nothing can be said.
        looked: what was named. A fault that needs more than that is not gone because it cannot be seen from here.
    """
    findings, entries = list(findings), list(entries)
    room = Counter({each.key: each.count for each in entries if each.reason})
    left, used = [], Counter[Key]()
    for finding in findings:
        key = key_of(finding, file)
        if used[key] < room[key]:
            used[key] += 1
        else:
            left.append(finding)
    here = {_relative(each, file) for each in seen}
    undecided = {key_of(each, file)[:2] for each in findings if each.severity is Severity.UNDECIDED}
    for entry in entries:
        if not entry.reason:
            message = "this entry leaves nothing out: it has no reason"
            hints = ("say in `reason` why the finding is lived with",)
            left.append(Finding("baseline-without-reason", Severity.WARNING, message, entry.mark, hints))
        elif (
            used[entry.key] < entry.count
            and entry.key[0] in ran
            and entry.key[:2] not in undecided
            and (entry.key[1] in here or _gone(entry, file))
            and _covered(entry, looked, file)
        ):
            text = f"`{entry.key[0]}` of {entry.key[1]} is in the baseline, and is found there no more"
            hints = ("take the entry out, or lower its `count`",)
            left.append(Finding("baseline-stale", Severity.NOTE, text, entry.mark, hints))
    return left, used.total()


def _covered(entry: Entry, looked: Iterable[str], file: str) -> bool:
    """Whether at least that was looked at now that was looked at when the baseline was written."""
    now, home = [Path(each).resolve() for each in looked], Path(file).parent.resolve()
    return all(any((home / then).resolve().is_relative_to(each) for each in now) for then in entry.looked)


def _gone(entry: Entry, file: str) -> bool:
    return not Path(file).parent.joinpath(entry.key[1]).exists()


def written(
    findings: Iterable[Finding], file: str, reason: str, looked: Iterable[str], before: Iterable[Entry] = ()
) -> str:
    """The text of a baseline. Entries that were there before keep their reasons. `looked`: what was named."""
    reasons = {each.key: each.reason for each in before if each.reason}
    counted = Counter(key_of(each, file) for each in findings if each.severity is not Severity.UNDECIDED)
    paths = sorted({_relative(each, file) for each in looked})
    lines = [HEAD.rstrip(), f"looked: {json.dumps(paths, ensure_ascii=False)}"]
    lines += ["findings:" if counted else "findings: []"]
    for key, count in sorted(counted.items()):
        values = dict(zip(FIELDS, (*key, reasons.get(key, reason)), strict=True))
        pairs = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in values.items() if value]
        pairs += [f"count: {count}"] if count > 1 else []
        lines += [f"  - {pairs[0]}", *(f"    {pair}" for pair in pairs[1:])]
    return "\n".join(lines) + "\n"


def key_of(finding: Finding, file: str) -> Key:
    """By what a finding is known again. Files are told from the directory of the baseline."""
    place = _relative(finding.mark.file, file)
    return finding.rule, place, finding.subject, finding.path, unplaced(finding.message)


def _relative(path: str, file: str) -> str:
    return os.path.relpath(path, Path(file).parent) if path else path

"""What `castle check` answers: the findings, what was counted, and what nobody looked into. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ephemeral_castle.model.finding import Finding, Severity

ORDER = (Severity.ERROR, Severity.WARNING, Severity.NOTE, Severity.UNDECIDED)


@dataclass(frozen=True)
class Explanation:
    """What `castle explain` tells of a rule.

    Attributes:
        id: of the rule.
        title: what it finds, one line.
        why: what happens otherwise, and what to do.
        source: where this is known from.
        fails: a manifest that it finds fault with; "" where none is shown.
        passes: the same, mended.
    """

    id: str
    title: str
    why: str
    source: str = ""
    fails: str = ""
    passes: str = ""


@dataclass(frozen=True)
class Checked:
    """The answer.

    Attributes:
        looked: what was looked at, as the person named it.
        findings: what is wrong, the most important first.
        undecided: what was not looked into, or could not be decided.
        lines: source lines for excerpts, secrets masked, by file and line.
        counts: what was read, by its word ("file", "object", "unit"), for the last line.
        ignored: findings left out by a comment beside them.
        known: findings left out by the baseline.
        rules: what is known of the rules that found something, by their id.
        world: whether the world was asked; None: there is none to ask.
        next: the command that comes next; "" for none.
    """

    looked: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    undecided: tuple[Finding, ...] = ()
    lines: Mapping[tuple[str, int], str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    ignored: int = 0
    known: int = 0
    rules: Mapping[str, Explanation] = field(default_factory=dict)
    world: bool | None = None
    next: str = ""

    def at_or_above(self, severity: Severity) -> list[Finding]:
        """Findings that are at least so bad."""
        worst = ORDER.index(severity)
        return [each for each in self.findings if ORDER.index(each.severity) <= worst]

    def number(self, severity: Severity) -> int:
        """How many findings are just so bad."""
        return sum(each.severity is severity for each in self.findings)


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Without doubles; by file, the file of the worst finding first, in it the worst first, then by place."""
    unique = list(dict.fromkeys(findings))
    worst: dict[str, int] = {}
    for each in unique:
        rank = ORDER.index(each.severity)
        worst[each.mark.file] = min(rank, worst.get(each.mark.file, rank))
    return sorted(unique, key=lambda each: (worst[each.mark.file], each.mark.file, _rank(each)))


def _rank(finding: Finding) -> tuple[int, int, int, str, str]:
    mark = finding.mark
    return ORDER.index(finding.severity), mark.line, mark.column, finding.rule, finding.message

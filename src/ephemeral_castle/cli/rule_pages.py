"""The pages `docs/reference/rules.md` and `docs/reference/failures.md`, from the rules and the table of failures."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from ephemeral_castle.manifests.rules import RULES
from ephemeral_castle.manifests.rules.examples import EXAMPLES
from ephemeral_castle.manifests.rules.failure import Failure, Kind
from ephemeral_castle.manifests.rules.failures import FAILURES
from ephemeral_castle.manifests.rules.rule import Rule

WRITTEN = "Written from the rules by `python -m ephemeral_castle.cli.reference`."
PARTS = {
    "pgo": "PostgreSQL by PGO",
    "cnpg": "PostgreSQL by CloudNativePG",
    "talos": "Machines of Talos",
}
REST = "Objects, references and GitOps"


def rules_page() -> str:
    """All rules of experience, each as `castle explain` tells it."""
    lines = ["# Rules of experience", "", WRITTEN, "", *INTRODUCTION, "", "| rule | what it finds |", "|---|---|"]
    ordered = sorted(RULES, key=lambda rule: list(PARTS).index(_part(rule)) if _part(rule) in PARTS else len(PARTS))
    lines += [f"| [{rule.id}](#{rule.id}) | {rule.title} |" for rule in ordered]
    for part, rules in groupby(ordered, _part):
        lines += ["", f"## {PARTS.get(part, REST)}"]
        for rule in rules:
            lines += ["", *_rule(rule)]
    return "\n".join(lines) + "\n"


def failures_page() -> str:
    """Every failure, and where castle meets it."""
    lines = ["# Failures", "", WRITTEN, "", *PREFACE, "", "| | what went wrong | met by |", "|---|---|---|"]
    lines += [f"| {one.number} | {one.title} | {_met(one)} |" for one in FAILURES]
    return "\n".join(lines) + "\n"


def _part(rule: Rule) -> str:
    head = rule.id.partition("-")[0]
    return head if head in PARTS else REST


def _rule(rule: Rule) -> Iterator[str]:
    fails, passes = EXAMPLES[rule.id]
    yield from (f"### {rule.id}", "", f"{rule.title[0].upper()}{rule.title[1:]}.", "", rule.why, "")
    yield from ("```yaml", "# fails", *fails.strip("\n").splitlines(), "```", "")
    yield from ("```yaml", "# passes", *passes.strip("\n").splitlines(), "```", "")
    met = f" Failures: {', '.join(rule.failures)}." if rule.failures else ""
    yield f"Known from: {rule.source}.{met}"


def _met(one: Failure) -> str:
    rules = [f"[`{rule.id}`](rules.md#{rule.id})" for rule in RULES if one.number in rule.failures]
    if one.kind is Kind.NOT:
        return f"not: {one.answer}"
    return "; ".join(filter(None, (", ".join(rules), one.answer)))


INTRODUCTION = (
    "Faults that somebody met, which no schema forbids. They need no cluster and no schemas. A finding is",
    "",
    "- an *error* where it is sure that something will be refused, will never become ready, or will lose data;",
    "- a *warning* where it does so under conditions that a file does not show;",
    "- a *note* where something is worse than it could be;",
    "- *undecided* where the files do not tell: an object that a chart may make, a Secret that cannot be read. It is",
    "  counted, never passed as well, and `--strict` makes something of it.",
    "",
    "References to objects that nothing makes are errors only where the repository says how the whole cluster is",
    "built (Kustomizations of Flux with paths in it), and neither a chart that was not rendered nor an operator can",
    "make them.",
    "",
    "Advice never destroys: what would delete the data of a living cluster is told with its condition, and only",
    "[pgo-user-name](#pgo-user-name) and [pgo-s3-credentials](#pgo-s3-credentials) can be mended by",
    "`castle check --fix`. Alarms on samples of operators and on public repositories were judged one by one:",
    "[judged alarms](alarms.md).",
)
PREFACE = (
    "What went wrong in the rebirths of one castle that its author described over half a year, F1 to F189, and what",
    "was not met there and will be, L1 to L17. Each is met by a [rule](rules.md) of `castle check`, by a step or a",
    "property of castle, or by nothing, with the reason.",
)

"""Writes the generated part of `docs/reference/systems.md`."""

from __future__ import annotations

from pathlib import Path

from tests.evidence import Evidence, gathered
from tests.systems import KINDS, SYSTEMS, System

MOST = 5  # files of one system that are named
PAGE = Path(__file__).parents[1] / "docs" / "reference" / "systems.md"
BEGIN, END = "<!-- from tests/systems.py and the tests' own markers: scripts/docs writes it -->", "<!-- end -->"


def rows(evidence: Evidence) -> list[str]:
    """The table of systems."""
    head = ["| system | driver or part | version tried | evidence | see it |", "|---|---|---|---|---|"]
    return head + [_row(each, evidence[name]) for name, each in SYSTEMS.items()]


def _row(system: System, shown: dict[str, list[str]]) -> str:
    kinds = [f"{kind} ({_count(shown[kind])})" for kind in KINDS if shown[kind]]
    words = "; ".join([*([", ".join(kinds)] if kinds else [system.by_hand]), *([system.note] if system.note else [])])
    return f"| {system.name} | {system.driver} | {system.version} | {words} | {system.see} |"


def _count(files: list[str]) -> str:
    return f"{len(files)} file{'s' if len(files) > 1 else ''}"


def which(evidence: Evidence) -> list[str]:
    """The table of files."""
    head = ["| system | evidence | tests |", "|---|---|---|"]
    return head + [
        f"| {system.name} | {kind} | {_named(evidence[name][kind])} |"
        for name, system in SYSTEMS.items()
        for kind in KINDS
        if evidence[name][kind]
    ]


def _named(files: list[str]) -> str:
    shown = files if len(files) <= MOST + 1 else files[:MOST]
    more = f" and {len(files) - len(shown)} more" if len(files) > len(shown) else ""
    return ", ".join(f"`{each}`" for each in shown) + more


def generated() -> str:
    """What stands between the two lines."""
    evidence = gathered()
    return "\n".join([BEGIN, "", *rows(evidence), "", "## Which tests show it", "", *which(evidence), "", END])


def page(text: str) -> str:
    """The page with its generated part anew.

    Raises:
        ValueError: the two lines are not there.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} lacks the line `{BEGIN}` or `{END}`")
    return f"{before}{generated()}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))

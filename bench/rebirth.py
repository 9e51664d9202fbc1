"""A planned rebirth of 400 MB by castle and by the floor, in turns, both under a writer."""

from __future__ import annotations

from typing import Any

import shell
from castle import DATABASE as CASTLE
from figure import Figure

MEGABYTES = 400
PAIRS = 3


def measure() -> list[Figure]:
    """The three figures of both, the ratio of the outages, and castle's own overhead."""
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, Any]] = []
    with CASTLE.standing(), shell.standing(MEGABYTES):
        CASTLE.fill(MEGABYTES)
        for _ in range(PAIRS):
            with shell.writer():
                theirs.append(shell.rebirth())
            with CASTLE.writer():
                figures = CASTLE.rebirth()["figures"]
            ours.append({name: figures[name]["seconds"] for name in ("outage", "rto", "whole", "overhead")})
    return [
        Figure("outage", [run["outage"] for run in ours], "s", 8),
        Figure("RTO", [run["rto"] for run in ours], "s"),
        Figure("whole run with proof", [run["whole"] for run in ours], "s", 18),
        Figure("own overhead, part of the run", [run["overhead"] / run["whole"] for run in ours], "", 0.03),
        Figure("floor: outage", [run["outage"] for run in theirs], "s"),
        Figure("floor: RTO", [run["rto"] for run in theirs], "s"),
        Figure("floor: whole run with proof", [run["whole"] for run in theirs], "s"),
        Figure("outage, castle to floor", _ratios(ours, theirs, "outage"), "", 1.25),
        Figure("whole run, castle to floor", _ratios(ours, theirs, "whole"), "", 1.25),
    ]


def _ratios(ours: list[dict[str, float]], theirs: list[dict[str, Any]], name: str) -> list[float]:
    return [a[name] / b[name] for a, b in zip(ours, theirs, strict=True)]

"""Restore, from start to accepting writes, by castle and by ten lines of shell, in pairs.

Castle's side is taken from a whole rebirth: from the start of the step that brings the data home to the end of the
promotion, so container start, way into the machine and polling count. The order changes from pair to pair.
"""

from __future__ import annotations

import sys

import shell
from castle import DATABASE as CASTLE
from figure import Figure

SIZES = (1000, 4000)  # MB
PAIRS = 3


def measure() -> list[Figure]:
    """For each size: both medians, and castle's speed as a part of the shell's."""
    found: list[Figure] = []
    with CASTLE.standing():
        for size in SIZES:
            made = _size(size)
            for figure in made:  # the next size takes long, and may fail
                print(figure.line(), file=sys.stderr)
            found += made
    return found


def _size(megabytes: int) -> list[Figure]:
    CASTLE.fill(megabytes)
    ours: list[float] = []
    theirs: list[float] = []
    with shell.standing(megabytes):
        for pair in range(PAIRS):
            if pair % 2 == 0:
                theirs.append(shell.restore())
            CASTLE.rebirth()
            ours.append(CASTLE.span("database.home", "database.promote"))
            if pair % 2 == 1:
                theirs.append(shell.restore())
    speeds = [b / a for a, b in zip(ours, theirs, strict=True)]
    return [
        Figure(f"restore of {megabytes} MB, castle", ours, "s"),
        Figure(f"restore of {megabytes} MB, shell", theirs, "s"),
        Figure(f"restore of {megabytes} MB, speed to shell", speeds, "", 0.85, at_least=True),
    ]

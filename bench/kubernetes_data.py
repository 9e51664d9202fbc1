"""A database of 1 GB coming home on a real cluster, against ten lines of shell that restore as much on this computer.

Castle's side begins with the step that brings the data home, while the cluster still raises what else it carries, and
ends when the database accepts writes: image, pod and volume count.
"""

from __future__ import annotations

import shell
from castle import Bench
from figure import Figure

from kubernetes import CASTLE, Moments, outside

MEGABYTES = 1000
PAIRS = 3
RATE, START = 0.85, 15  # of the bare rate, and the seconds that a pod may take until it restores


def measure() -> list[Figure]:
    """Both medians, and what castle takes beyond the time of a restore at 0.85 of the bare rate."""
    ours: list[float] = []
    bare: list[float] = []
    with outside(), CASTLE.standing():
        CASTLE.fill(MEGABYTES)
        with shell.standing(MEGABYTES):
            for _ in range(PAIRS):
                bare.append(shell.restore())
                CASTLE.rebirth()
                ours.append(_home(CASTLE))
    beyond = [mine - floor / RATE for mine, floor in zip(ours, bare, strict=True)]
    return [
        Figure(f"Kubernetes: {MEGABYTES} MB come home", ours, "s"),
        Figure(f"restore of {MEGABYTES} MB, shell", bare, "s"),
        Figure(f"Kubernetes: beyond {RATE} of the bare rate", beyond, "s", START),
    ]


def _home(castle: Bench) -> float:
    at = Moments.of(castle.castle("logs", "--json").splitlines())
    return at.end("database.promote") - at.begun["database.home"]

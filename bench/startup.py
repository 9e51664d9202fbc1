"""How long castle needs until it says something."""

from __future__ import annotations

import subprocess

from castle import DEFINITION, cpu
from figure import Figure

TIMES = 10


def measure() -> list[Figure]:
    """Help and offline plan by processor time; the first online screen, where a castle stands, by wall time."""
    helped = [cpu("castle", "--help")[0] * 1000 for _ in range(TIMES)]
    offline = [cpu("castle", "plan", "rebirth", "-f", str(DEFINITION), "--offline")[1] * 1000 for _ in range(TIMES)]
    figures = [
        Figure("castle --help, processor time", helped, "ms", 60),
        Figure("castle plan --offline", offline, "ms", 400),
    ]
    try:
        online = [cpu("castle", "plan", "rebirth", "-f", str(DEFINITION))[1] for _ in range(3)]
    except subprocess.CalledProcessError:
        return figures  # no castle stands
    return [*figures, Figure("castle plan, online", online, "s", 1)]

"""How long castle needs until it says something."""

from __future__ import annotations

import os

from castle import DATABASE, cpu
from figure import Figure

TIMES = 10
ONLINE = 5


def measure() -> list[Figure]:
    """Help and offline plan by processor time; the first online screen of a castle that stands, by wall time."""
    file = str(DATABASE.file)
    helped = [cpu("castle", "--help")[0] * 1000 for _ in range(TIMES)]
    offline = [cpu("castle", "plan", "rebirth", "-f", file, "--offline")[1] * 1000 for _ in range(TIMES)]
    figures = [
        Figure("castle --help, processor time", helped, "ms", 60),
        Figure("castle plan --offline", offline, "ms", 400),
    ]
    if os.geteuid() != 0:
        return figures
    with DATABASE.standing():
        online = [cpu("castle", "plan", "rebirth", "-f", file)[1] for _ in range(ONLINE)]
    return [*figures, Figure("castle plan, online", online, "s", 1)]

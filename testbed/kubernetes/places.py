"""Where things lie, and how these scripts speak to the person who started them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = Path(os.environ.get("CASTLE_CACHE", "/var/cache/ephemeral-castle"))
STORE = CACHE / "kubernetes"


class Trouble(Exception):
    """Something failed that a person can do something about.

    Args:
        text: what failed, where and why.
        hints: what to do next, a line each.
    """

    def __init__(self, text: str, *hints: str) -> None:
        super().__init__(text)
        self.hints = hints


def say(text: str) -> None:
    """One line for people; standard output belongs to the answer."""
    print(f"kubernetes: {text}", file=sys.stderr, flush=True)

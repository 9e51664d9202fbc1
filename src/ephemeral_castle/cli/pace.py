"""Time for the viewer."""

from __future__ import annotations

import time


class Pace:
    """The wall clock, and waiting."""

    def now(self) -> float:
        """Unix seconds."""
        return time.time()

    def wait(self, seconds: float) -> None:
        """Waits; Ctrl-C ends it."""
        time.sleep(seconds)

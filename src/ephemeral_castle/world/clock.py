"""The computer's clock."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """Time of this computer; implements `spi.world.Clock`."""

    def now(self) -> float:
        """Unix seconds, UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Waits `seconds`; zero and less give other tasks their turn."""
        await asyncio.sleep(max(seconds, 0.0))

"""An event loop whose time passes at once: whoever waits for it finds that it has gone by."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Leap(selectors.DefaultSelector):
    """Instead of waiting, lets the loop's time pass."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("every task waits for something that never comes")
        if timeout > 0:
            self.loop.passed += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Only for what waits for time alone: no threads, no sockets."""

    def __init__(self, start: float = 0.0) -> None:
        selector = _Leap()
        super().__init__(selector)
        selector.loop = self
        self.passed = start

    def time(self) -> float:
        return self.passed


class LoopClock:
    """The clock of a world that lives in virtual loops, one after the other. `zero`: Unix seconds of its beginning."""

    def __init__(self, zero: float = 1_700_000_000.0) -> None:
        self.zero = zero
        self.before = 0.0

    def monotonic(self) -> float:
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:
            return self.before

    def now(self) -> float:
        return self.zero + self.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def play(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs it in a loop of its own that begins when the last one ended."""
        loop = VirtualLoop(self.before)
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            try:
                return runner.run(work)
            finally:
                self.before = loop.time() + 1.0

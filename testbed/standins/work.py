"""What a controller has to do: names of objects, each once, with the pauses that real controllers keep.

A name that is added while it is worked upon is worked upon once more afterwards. Failures of one name double its pause;
adding it again works at once and leaves the count as it is, as in client-go's rate-limited queue.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Work(Generic[T]):
    """A queue for any number of workers.

    Args:
        base: pause after the first failure, seconds; doubled with each further one.
        most: longest pause, seconds.
        clock: monotonic seconds.
    """

    def __init__(self, *, base: float = 1.0, most: float = 420.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._base, self._most, self._clock = base, most, clock
        self._ready: dict[T, None] = {}  # in order, each once
        self._busy: set[T] = set()
        self._later: dict[T, float] = {}
        self._failures: dict[T, int] = {}
        self._changed = threading.Condition()
        self._closed = False

    def add(self, name: T) -> None:
        """To be done now."""
        with self._changed:
            self._ready.setdefault(name)
            self._changed.notify()

    def add_after(self, name: T, seconds: float) -> None:
        """To be done after a while, or earlier where that was asked for before."""
        with self._changed:
            at = self._clock() + max(0.0, seconds)
            self._later[name] = min(at, self._later.get(name, at))
            self._changed.notify()

    def failed(self, name: T) -> float:
        """To be done again after its pause, which is given back."""
        with self._changed:
            times = self._failures.get(name, 0)
            self._failures[name] = times + 1
        pause = min(self._most, self._base * float(2 ** min(times, 30)))
        self.add_after(name, pause)
        return pause

    def forget(self, name: T) -> None:
        """It went well: the next failure is its first."""
        with self._changed:
            self._failures.pop(name, None)

    def take(self, timeout: float | None = None) -> T | None:
        """The next name; None when none came in time, or all is over. Give it to `done` afterwards."""
        until = None if timeout is None else self._clock() + timeout
        with self._changed:
            while not self._closed:
                now = self._clock()
                self._ripen(now)
                name = next((each for each in self._ready if each not in self._busy), None)
                if name is not None:
                    del self._ready[name]
                    self._busy.add(name)
                    return name
                if until is not None and until <= now:
                    return None
                moments = [*self._later.values(), *([until] if until is not None else [])]
                self._changed.wait(max(0.001, min(moments) - now) if moments else None)
            return None

    def done(self, name: T) -> None:
        """It is worked upon no more."""
        with self._changed:
            self._busy.discard(name)
            self._changed.notify()

    def close(self) -> None:
        """Workers get None from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _ripen(self, now: float) -> None:
        for name in [name for name, at in self._later.items() if at <= now]:
            del self._later[name]
            self._ready.setdefault(name)

"""When a unit is asked to look again, and when it is given up. Pure.

Nothing in Flux watches dependencies: a dependent looks again after up to half a minute, a unit that failed after its
`retryInterval`, which is often ten minutes; a new one rests for 0.75 s after its controller has marked it. So castle
asks: a new unit at once, a dependent as soon as all that it needs is ready, one that failed after a pause that grows.
What fails with the same words in pass after pass, and whose cause lies in the repository, is given up early.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ephemeral_castle.drivers.flux.graph import Seen
from ephemeral_castle.drivers.flux.units import Stage, Unit, plain

AGAIN = 1.0  # seconds between two requests to a dependent that did not see its need ready
FIRST, MOST = 2.0, 60.0  # pause after a failed pass, doubled each time
LOST = (
    30.0  # seconds after which a request that nobody obeyed is made anew, or a pass that says nothing is taken for dead
)
PASSES = 3  # as many passes must have ended with one failure before it is given up
PATIENCE = 20.0  # or two, if it has lasted for as many seconds

# What the repository's next commit alone can mend; the API server's or kustomize's words.
BY_REPOSITORY = (
    "field not declared in schema", "failed to create typed patch object", "kustomize build failed", "path not found",
    "missing metadata.name", "must specify", "variable not set", "is sops encrypted", "namespace not specified",
    "field is immutable", "cannot unmarshal", "decryption failed",
)  # fmt: skip


@dataclass
class _Asked:
    """What is known of one unit.

    Attributes:
        at, token, times: of the last request; how many there were since it was ready.
        failure, since, passes: words of its last failure, since when, in which passes.
        seen, moved: what it said last, and since when.
        unheard: since when a request is not obeyed; 0 while none is.
    """

    at: float = 0.0
    token: str = ""
    times: int = 0
    failure: str = ""
    since: float = 0.0
    passes: set[str] = field(default_factory=set)
    seen: tuple[str, ...] = ()
    moved: float = 0.0
    unheard: float = 0.0


@dataclass
class Pace:
    """Remembers what was asked; times are monotonic seconds."""

    known: dict[str, _Asked] = field(default_factory=dict)

    def due(self, seen: Mapping[str, Seen], now: float) -> list[str]:
        """Names of units that are to be asked now."""
        return [name for name, each in seen.items() if self._due(each, now)]

    def asked(self, name: str, token: str, now: float) -> None:
        """A unit was asked."""
        found = self.known.setdefault(name, _Asked())
        found.at, found.token, found.times = now, token, found.times + 1
        found.unheard = found.unheard or now

    def missed(self, name: str, now: float) -> None:
        """A unit could not be asked: the API server is away. It is asked again in a moment."""
        found = self.known.setdefault(name, _Asked())
        found.at, found.unheard = now, 0.0  # nobody can obey what an API server does not tell

    def unheard(self, seen: Mapping[str, Seen]) -> dict[str, float]:
        """Units with a request that is not obeyed, and since when."""
        waiting = {name: self.known[name].unheard for name in seen if name in self.known}
        return {name: since for name, since in waiting.items() if since}

    def moved(self, seen: Mapping[str, Seen]) -> float:
        """When one of these units last said something new."""
        return max((self.known[name].moved for name in seen if name in self.known), default=0.0)

    def anew(self, now: float) -> None:
        """Another controller has taken over: what the last one was asked is asked again, and counted from now."""
        for found in self.known.values():
            found.at, found.token, found.unheard, found.moved = 0.0, "", 0.0, now

    def _due(self, each: Seen, now: float) -> bool:
        found = self.known.setdefault(each.unit.name, _Asked())
        said = (each.stage.value, each.why, each.unit.handled, each.unit.ready.since)
        if said != found.seen:
            found.seen, found.moved = said, now
        if each.stage is Stage.READY or each.unit.handled == found.token:
            found.unheard = 0.0
        if now - found.at < AGAIN and found.at:
            return False
        if each.stage is Stage.READY:
            found.times = 0
        if each.unit.fresh and each.stage is Stage.RUNNING:
            return not found.times
        if found.token and each.unit.handled != found.token:
            return now - found.at >= LOST and each.stage not in (Stage.READY, Stage.CHECKING)
        if each.stage is Stage.WAITING:
            return _released(each)
        if each.stage is Stage.RUNNING:  # its pass may have died with the API server
            return now - max(found.moved, found.at) >= LOST
        if each.stage is Stage.CHECKING:  # beyond the time that it was given
            return bool(each.unit.timeout) and now - max(found.moved, found.at) >= each.unit.timeout + LOST
        if each.stage in (Stage.FAILED, Stage.HELD):
            pause = min(MOST, FIRST * float(2 ** min(found.times, 10)))
            return now - self._noticed(each.unit, now) >= pause
        return False

    def _noticed(self, unit: Unit, now: float) -> float:
        """When the failure that it tells now was first seen, or when it was last asked."""
        found = self.known[unit.name]
        self._count(unit, found, now)
        return max(found.since, found.at)

    def _count(self, unit: Unit, found: _Asked, now: float) -> None:
        words = _words(unit)
        if words != found.failure:
            found.failure, found.since, found.passes = words, now, set()
        found.passes.add(unit.handled or unit.ready.since)

    def hopeless(self, seen: Mapping[str, Seen], now: float) -> list[Seen]:
        """Units that only another commit mends."""
        return [each for each in seen.values() if self._hopeless(each, now)]

    def _hopeless(self, each: Seen, now: float) -> bool:
        if each.stage is Stage.STALLED:
            return True
        if each.stage is not Stage.FAILED or not any(part in _words(each.unit).lower() for part in BY_REPOSITORY):
            return False
        found = self.known.setdefault(each.unit.name, _Asked())
        self._count(each.unit, found, now)
        return len(found.passes) >= PASSES or (len(found.passes) > 1 and now - found.since >= PATIENCE)


def _released(each: Seen) -> bool:
    """Whether it said that a need is not ready though all are."""
    return each.unit.ready.reason == "DependencyNotReady" and not each.why.startswith("waits for ")


def _words(unit: Unit) -> str:
    return f"{unit.ready.reason}: {plain(unit.ready.message)}"

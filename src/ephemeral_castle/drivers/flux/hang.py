"""A controller of Flux that lives and does nothing: noticed by requests that nobody obeys. Pure.

A controller that is busy looks much like it. So one counts as hanging only when everything of its kind has been still
for long, and no health check is within its own time: each of those may hold one of the few workers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ephemeral_castle.drivers.flux.fetching import Fetching
from ephemeral_castle.drivers.flux.graph import Seen
from ephemeral_castle.drivers.flux.pace import LOST, Pace
from ephemeral_castle.drivers.flux.vocabulary import KUSTOMIZATION

LONGEST = 180.0  # seconds without a sign of life: six requests, and three times what a controller has to fetch
FETCHES, APPLIES = "source-controller", "kustomize-controller"


@dataclass(frozen=True)
class Hang:
    """What hangs.

    Attributes:
        controller: name of its Deployment.
        what: the object that waits for it.
        since: monotonic seconds of its last sign of life, or of the request, whichever came later.
    """

    controller: str
    what: str
    since: float


def found(
    seen: Mapping[str, Seen], pace: Pace, fetching: Fetching, now: float, longest: float = LONGEST
) -> Hang | None:
    """The controller that hangs, if any does. `longest`: seconds without a sign of life that are no hang yet."""
    if not fetching.done:
        still = fetching.still
        return Hang(FETCHES, str(fetching.ref), still) if still and now - still >= longest else None
    waiting = pace.unheard(seen)
    if not waiting or any(_busy(each, pace, now) for each in seen.values()):
        return None
    name, asked = min(waiting.items(), key=lambda pair: pair[1])
    since = max(asked, pace.moved(seen))
    return Hang(APPLIES, f"{KUSTOMIZATION} {name}", since) if now - since >= longest else None


def _busy(each: Seen, pace: Pace, now: float) -> bool:
    """Whether it may be at work within the time that it was given for it."""
    return bool(each.unit.doing) and now - pace.moved({each.unit.name: each}) < each.unit.timeout + LOST

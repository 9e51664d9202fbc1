"""The posts' castle on a real cluster: from the first machine of a life to its last probe, and where the seconds go.

What lies outside of it is the demo's: registry with all images, Git host, name server, store of secrets. What stands
already is used and left; the figures are of a computer that does nothing else.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from castle import ROOT, Bench, run
from figure import Figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CASTLE = Bench(ROOT / "examples/tazlab/castle.yaml", "tazlab")
OUTSIDE = Path("/var/tmp/castle-tazlab")  # the directory that the example's definition names
MEGABYTES = 200
TIMES = 5
MACHINES = tuple(f"machines.create-{name}" for name in ("control", "data", "edge"))
PROBES = ("inside.inside", "answers.sql", "page.get")


@dataclass
class Moments:
    """When each step of a run began and ended last, in Unix seconds."""

    begun: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, lines: Iterable[str]) -> Moments:
        """From the events of a run, as `castle logs --json` prints them."""
        found = cls()
        for line in lines:
            event = json.loads(line)
            if event.get("kind") == "step.started":
                found.begun.setdefault(event["step"], event["at"])
            if event.get("kind") == "step.finished":
                found.ended[event["step"]] = event["at"]
        return found

    def end(self, *steps: str) -> float:
        """When the last of them ended."""
        return max(self.ended[step] for step in steps)


def seconds(at: Moments) -> dict[str, float]:
    """Where the time went. The parts follow each other, but for the data, which come home beside the others."""
    first = min(at.begun[step] for step in MACHINES)
    worker, flux = at.end("cluster.join-data"), at.end("gitops.controllers", "gitops.root")
    operators = at.end("secrets.synced", "tls.ready")
    data, last = at.end("database.lift"), at.end(*PROBES)
    return {
        "whole": last - first,
        "cluster": at.end("cluster.nodes") - first,
        "flux": max(0.0, flux - worker),
        "operators": max(0.0, operators - flux),
        "data": data - at.begun["database.home"],
        "gates": last - max(operators, data),
    }


def measure() -> list[Figure]:
    """Rebirths, each measured by its own events."""
    with outside(), CASTLE.standing():
        CASTLE.fill(MEGABYTES)
        found, rto = [], []
        for _ in range(TIMES):
            with CASTLE.writer():
                rto.append(CASTLE.rebirth()["figures"]["rto"]["seconds"])
            found.append(seconds(Moments.of(CASTLE.castle("logs", "--json").splitlines())))
    goals = {
        "whole": ("first machine to last probe", 90),
        "cluster": ("cluster", 25),
        "flux": ("Flux and CRDs", 10),
        "operators": ("operators and secrets", 15),
        "data": ("data", 25),
        "gates": ("gates and proof", 15),
    }
    return [
        *(
            Figure(f"Kubernetes: {name}", [each[key] for each in found], "s", goal)
            for key, (name, goal) in goals.items()
        ),
        Figure("Kubernetes: RTO", rto, "s"),
    ]


@contextmanager
def outside() -> Iterator[None]:
    """What lies outside of the castle; where it was not there before it goes at the end."""
    stood = OUTSIDE.exists()
    told = {"CASTLE_DEMO": "tazlab"}
    for part in ("registry", "images", "repository", "git", "names", "secrets"):
        run(ROOT / "scripts/demo-outside", part, env={**os.environ, **told})
    try:
        yield
    finally:
        if not stood:
            run(ROOT / "scripts/demo-outside", "stop", env={**os.environ, **told})
            shutil.rmtree(OUTSIDE)

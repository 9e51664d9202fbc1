"""Which units there are, who waits for whom, and what can never become ready. Pure.

A unit is one of ours when the root applied it, or a unit that the root applied did, and so on. Others only count as
what ours may depend upon.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ephemeral_castle.drivers.flux import units
from ephemeral_castle.drivers.flux.units import Goal, Stage, Unit
from ephemeral_castle.drivers.flux.vocabulary import KUSTOMIZATION
from ephemeral_castle.spi.kubernetes import Change

BUSY = (Stage.RUNNING, Stage.CHECKING, Stage.FAILED, Stage.HELD)


@dataclass(frozen=True)
class Seen:
    """How far one unit is. `why`: for people."""

    unit: Unit
    stage: Stage
    why: str


@dataclass
class Graph:
    """Every Kustomization of the cluster, as last seen.

    Attributes:
        root: name of the root.
        goal: what is wanted.
        units: by name.
    """

    root: str
    goal: Goal
    units: dict[str, Unit] = field(default_factory=dict)

    def take(self, change: Change) -> str:
        """Takes note of one change; gives the name of the unit, "" when it is no Kustomization."""
        if change.object.get("kind") != KUSTOMIZATION:
            return ""
        unit = units.read(change.object)
        if change.type == "DELETED":
            self.units.pop(unit.name, None)
        else:
            self.units[unit.name] = unit
        return unit.name

    def ours(self, *, left_behind: bool = False) -> set[str]:
        """Names of the units of the castle; one may not be there yet, or no more.

        What a ready unit applied stands in its inventory. Until then its label on others tells, too; after that a label
        alone is what an older revision left behind.

        Args:
            left_behind: these, too.
        """
        labelled: dict[str, set[str]] = {}
        for each in self.units.values():
            labelled.setdefault(each.parent, set()).add(each.name)
        found: set[str] = set()
        waiting = [self.root]
        while waiting:
            name = waiting.pop()
            if name in found:
                continue
            found.add(name)
            unit = self.units.get(name)
            if unit is not None:
                waiting += unit.children
            if left_behind or unit is None or not units.is_ready(unit, self.goal):
                waiting += labelled.get(name, set())
        return found

    def seen(self) -> dict[str, Seen]:
        """How far each of ours is, in the order of their names, the root first."""
        ready = {name: units.is_ready(unit, self.goal) for name, unit in self.units.items()}
        found = {}
        for name in sorted(self.ours(), key=lambda each: (each != self.root, each)):
            there = self.units.get(name)
            if there is None:
                found[name] = Seen(Unit(name), Stage.RUNNING, "it is not there yet")
            else:
                found[name] = Seen(there, *units.stage(there, self.goal, ready))
        return found


def cycle(seen: Mapping[str, Seen]) -> list[str]:
    """Units that wait for each other, the first one again at the end; [] when none do."""
    finished: set[str] = set()
    for start in seen:
        way: dict[str, Iterator[str]] = {} if start in finished else {start: _open_needs(seen, start)}
        while way:
            here = next(reversed(way))
            need = next(way[here], None)
            if need is None:
                finished.add(here)
                del way[here]
            elif need in way:
                names = list(way)
                return [*names[names.index(need) :], need]
            elif need not in finished and need in seen:
                way[need] = _open_needs(seen, need)
    return []


def _open_needs(seen: Mapping[str, Seen], name: str) -> Iterator[str]:
    found = seen[name]
    return iter(
        [] if found.stage is Stage.READY else [each for each in found.unit.needs if each not in found.unit.custom]
    )


def frozen(seen: Mapping[str, Seen], known: Mapping[str, Unit]) -> str:
    """Why nothing will move any more, for people; "" while something may.

    Args:
        seen: our units.
        known: all units of the cluster.
    """
    circle = cycle(seen)
    if circle:
        return f"these units wait for each other: {' → '.join(circle)}"
    if any(each.stage in BUSY for each in seen.values()):
        return ""
    waiting = {name: each for name, each in seen.items() if each.stage is Stage.WAITING}
    causes: dict[str, None] = {}
    for name, each in waiting.items():
        for need in each.unit.needs:
            if need not in known:
                causes[f"`{name}` depends on `{need}`, which does not exist"] = None
            elif need in seen and seen[need].stage is Stage.SUSPENDED:
                causes[f"`{name}` depends on `{need}`, which is suspended"] = None
            elif need not in seen and known[need].suspended:
                causes[f"`{name}` depends on `{need}`, which is suspended and not of this castle"] = None
    return "; ".join(causes)

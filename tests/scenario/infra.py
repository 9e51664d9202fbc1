"""An infrastructure in memory that knows what must never be done to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


class Killed(BaseException):
    """The runner's process is gone: nothing it still wants to do reaches the world."""


class Power:
    """What keeps one runner alive. It is cut after a certain event or a certain effect."""

    def __init__(self, *, after_event: int = 0, after_effect: int = 0) -> None:
        self.after_event, self.after_effect = after_event, after_effect
        self.events = self.effects = 0
        self.on = True

    def check(self) -> None:
        if not self.on:
            raise Killed

    def cut(self) -> None:
        self.on = False
        raise Killed

    def effect(self) -> None:
        """Counts something that was done to the world; the runner may die before it can write that down."""
        self.effects += 1
        if self.effects == self.after_effect:
            self.cut()


@dataclass
class Database:
    """`life`: the one that it serves in."""

    life: int
    rows: list[int] = field(default_factory=list)
    markers: set[str] = field(default_factory=set)
    running: bool = True
    fenced: bool = False
    promoted: bool = True

    @property
    def open(self) -> bool:
        return self.running and not self.fenced and self.promoted


@dataclass
class Box:
    """A machine. `mark`: id of the castle that made it."""

    id: str
    name: str
    life: int
    mark: str
    database: Database | None = None


class Infrastructure:
    """Machines, one database, its repository. `violations`: what was done that must never be done.

    Attributes:
        acts: how often each effect took place, by name.
        acknowledged: rows that clients were told are committed.
        shielded: row count at the last look of the cut; nothing may be acknowledged by a life that is sealed.
    """

    def __init__(self, castle: str) -> None:
        self.castle = castle
        self.power = Power()
        self.boxes: dict[str, Box] = {}
        self.acts: Counter[str] = Counter()
        self.violations: list[str] = []
        self.acknowledged: list[int] = []
        self.archived: list[int] = []
        self.backups: dict[str, list[int]] = {}
        self.proven: set[str] = set()
        self.prover = ""
        self.may_write: Callable[[], list[str]] = list
        self.add("data", 1, castle).database = Database(1)
        self.add("edge", 1, castle)
        self.add("data", 1, "somebody else", box_id="foreign")

    def add(self, name: str, life: int, mark: str, *, box_id: str = "") -> Box:
        box = Box(box_id or f"{name}-{life}", name, life, mark)
        self.boxes[box.id] = box
        return box

    def box(self, name: str, life: int) -> Box | None:
        found = self.boxes.get(f"{name}-{life}")
        return found if found and found.mark == self.castle else None

    def database(self, life: int) -> Database | None:
        box = self.box("data", life)
        return box.database if box else None

    def client_writes(self) -> None:
        """A client that never rests commits a row wherever somebody takes it."""
        for box in self.boxes.values():
            if box.database is not None and box.database.open:
                row = len(self.acknowledged) + 1
                box.database.rows.append(row)
                self.acknowledged.append(row)

    def serves(self, life: int) -> bool:
        database = self.database(life)
        return database is not None and database.open and self.box("edge", life) is not None

    def did(self, what: str, *, once: bool = False) -> None:
        self.acts[what] += 1
        if once and self.acts[what] > 1:
            self.violations.append(f"{what} was done {self.acts[what]} times")
        self.power.effect()

    def delete(self, box_id: str) -> None:
        self.power.check()
        box = self.boxes.pop(box_id, None)
        if box is None:
            self.violations.append(f"{box_id} was deleted again")
        elif box.mark != self.castle or box.life != 1:
            self.violations.append(f"{box_id} was deleted, which is not in the inventory")
        elif box.database is not None:
            self._judge_death(box.database)
        self.did(f"delete {box_id}", once=True)

    def _judge_death(self, database: Database) -> None:
        if database.running:
            self.violations.append("a living database was deleted")
        if sorted(self.archived) != sorted(database.rows):
            self.violations.append("a database was deleted whose last rows are not in the repository")
        if not self.proven:
            self.violations.append("a database was deleted without a proof")

    def create(self, name: str, life: int) -> None:
        self.power.check()
        if f"{name}-{life}" in self.boxes:
            self.violations.append(f"{name} of life {life} was made twice")
        if any(box.life < life and box.mark == self.castle for box in self.boxes.values()):
            self.violations.append(f"{name} of life {life} was made while the old life stood")
        self.add(name, life, self.castle)
        self.did(f"create {name}-{life}", once=True)

    def restore(self, life: int) -> None:
        self.power.check()
        box = self.box("data", life)
        if box is None:
            self.violations.append("a restore without a machine")
            return
        if box.database is not None:
            self.violations.append("a restore over a database")
        box.database = Database(life, list(self.archived), fenced=True, promoted=False)
        self.did(f"restore {life}", once=True)

    def promote(self, life: int) -> None:
        self.power.check()
        database = self.database(life)
        if database is None or database.promoted:
            self.violations.append("promoted twice, or nothing")
            return
        if others := [name for name in self.may_write() if not name.endswith(f"-{life}")]:
            self.violations.append(f"promoted while {others} may still archive")
        database.promoted = True
        self.did(f"promote {life}", once=True)

"""A measured figure beside its goal."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Figure:
    """One figure: the median of `samples`.

    Attributes:
        name: what was measured.
        samples: all values, in `unit`.
        unit: "s", "ms" or "" for a ratio.
        goal: the limit, or None for a figure that only explains another.
        at_least: whether the goal is a lower limit.
    """

    name: str
    samples: Sequence[float]
    unit: str
    goal: float | None = None
    at_least: bool = False

    @property
    def value(self) -> float:
        """The median."""
        return median(self.samples)

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def to_json(self) -> dict[str, object]:
        """Plain data with every sample."""
        return {
            "name": self.name,
            "value": round(self.value, 4),
            "unit": self.unit,
            "goal": self.goal,
            "met": self.met,
            "samples": [round(sample, 4) for sample in self.samples],
        }

    def line(self) -> str:
        """One line for people: name, value, goal, verdict, spread."""
        sign = "≥" if self.at_least else "≤"
        goal = "" if self.goal is None else f"{sign} {self.goal:g}{self.unit}"
        verdict = {True: "met", False: "MISSED", None: ""}[self.met]
        spread = f"{min(self.samples):.2f}..{max(self.samples):.2f} of {len(self.samples)}"
        return f"  {self.name:<44} {self.value:8.2f}{self.unit:<3} {goal:<10} {verdict:<7} {spread}"

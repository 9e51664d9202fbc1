"""Drivers by name, from entry points; only those that a definition names are loaded."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

GROUP = "ephemeral_castle.drivers"


@cache
def _points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def driver_names() -> list[str]:
    """All names that can stand behind `driver:`."""
    return sorted(_points())


def driver_class(name: str) -> Any:
    """The class behind a name, or None."""
    point = _points().get(name)
    return None if point is None else point.load()


def options_of(name: str) -> Any:
    """The Options model of a driver, or None for an unknown name."""
    found = driver_class(name)
    return None if found is None else found.Options

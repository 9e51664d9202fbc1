"""Values of a manifest that know where they were written. Pure.

`Map` and `Seq` are plain `dict` and `list` for whoever only reads them; beside each value they carry the place it came
from, which stays with the value when a patch, a component or a substitution moves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ephemeral_castle.model.finding import Mark

NOWHERE = Mark("")


class Map(dict[str, Any]):
    """A mapping. `begin`: where it begins; `named[key]`: where the key stands; `at[key]`: where its value begins."""

    __slots__ = ("at", "begin", "named")

    def __init__(self, begin: Mark = NOWHERE) -> None:
        super().__init__()
        self.begin = begin
        self.named: dict[str, Mark] = {}
        self.at: dict[str, Mark] = {}

    def put(self, key: str, value: Any, named: Mark, at: Mark | None = None) -> None:
        """Sets a key together with its places; `at` None: the value has no other place than its key."""
        self[key] = value
        self.named[key] = named
        self.at[key] = at or named

    def drop(self, key: str) -> None:
        """Removes a key and its places, where it is there."""
        for each in (self, self.named, self.at):
            each.pop(key, None)


class Seq(list[Any]):
    """A list. `begin`: where it begins; `at[index]`: where each item begins."""

    __slots__ = ("at", "begin")

    def __init__(self, begin: Mark = NOWHERE) -> None:
        super().__init__()
        self.begin = begin
        self.at: list[Mark] = []

    def add(self, value: Any, at: Mark) -> None:
        """Appends an item together with its place."""
        self.append(value)
        self.at.append(at)


def copied(value: Any) -> Any:
    """A copy of a value, places included, that may be changed without changing the first."""
    if isinstance(value, Map):
        made = Map(value.begin)
        for key, each in value.items():
            made[key] = copied(each) if isinstance(each, dict | list) else each
        made.named, made.at = value.named.copy(), value.at.copy()
        return made
    if isinstance(value, Seq):
        items = Seq(value.begin)
        items.extend(copied(each) if isinstance(each, dict | list) else each for each in value)
        items.at = value.at.copy()
        return items
    return value


def placed(value: Any, at: Mark) -> Any:
    """A value that was made of a text elsewhere, plain or not: all of it stands at one place."""
    if isinstance(value, dict):
        made = Map(at)
        for key, each in value.items():
            made.put(key, placed(each, at), at)
        return made
    if isinstance(value, list):
        items = Seq(at)
        for each in value:
            items.add(placed(each, at), at)
        return items
    return value


def text(value: Any) -> str:
    """A scalar as YAML writes it; "" for nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def place(root: Any, path: Sequence[str | int], *, key: bool = False) -> Mark:
    """Where the value at a path begins, or the deepest part of the path that is there.

    Args:
        root: of the manifest.
        path: keys and indexes from the root.
        key: where its key stands, rather than its value.
    """
    found = root.begin if isinstance(root, Map | Seq) else NOWHERE
    for step in path:
        if isinstance(root, Map) and step in root and isinstance(step, str):
            found = (root.named if key else root.at).get(step, found)
            root = root[step]
        elif isinstance(root, Seq) and isinstance(step, int) and 0 <= step < len(root):
            found = root.at[step] if step < len(root.at) else found
            root = root[step]
        else:
            break
    return found

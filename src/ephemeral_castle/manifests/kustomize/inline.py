"""YAML inside of a scalar of a YAML file: a patch written in the kustomization, with its own places. Pure."""

from __future__ import annotations

from typing import Any

from ephemeral_castle.manifests.load import Fault, roots
from ephemeral_castle.manifests.tree import Map, Seq
from ephemeral_castle.model.finding import Mark


def documents(written: str, at: Mark, text: str) -> tuple[list[tuple[Any, Mark]], list[Fault]]:
    """The documents in a scalar.

    Args:
        written: its value.
        at: where the scalar begins.
        text: the file around it, "" where it is not known: then every place is that of the scalar.
    """
    found, faults = roots(written, at.file, words=False)
    line, column = _start(at, text)
    if not line:
        return [(_moved(value, at, 0, 0), at) for value, _ in found], [
            Fault(at.line, at.column, each.message, each.hint) for each in faults
        ]
    moved = [(_moved(value, at, line, column), _shift(mark, line, column)) for value, mark in found]
    return moved, [Fault(each.line + line, each.column + column, each.message, each.hint) for each in faults]


def _start(at: Mark, text: str) -> tuple[int, int]:
    """Lines and columns to add to a place in a block scalar to get that in the file; 0, 0 for other scalars."""
    lines = text.split("\n")
    if not 0 < at.line < len(lines) or not lines[at.line - 1][at.column - 1 :].startswith("|"):
        return 0, 0
    for number in range(at.line, len(lines)):
        body = lines[number]
        if body.strip():
            return at.line, len(body) - len(body.lstrip(" "))
    return 0, 0


def _shift(mark: Mark, line: int, column: int) -> Mark:
    return mark._replace(line=mark.line + line, column=mark.column + column) if mark.line else mark


def _moved(value: Any, at: Mark, line: int, column: int) -> Any:
    """The value with all its places moved."""
    if isinstance(value, Map):
        made = Map(_shift(value.begin, line, column) if line else at)
        for key, each in value.items():
            named, where = (_shift(value.named[key], line, column), _shift(value.at[key], line, column))
            made.put(key, _moved(each, at, line, column), named if line else at, where if line else at)
        return made
    if isinstance(value, Seq):
        items = Seq(_shift(value.begin, line, column) if line else at)
        for each, where in zip(value, value.at, strict=True):
            items.add(_moved(each, at, line, column), _shift(where, line, column) if line else at)
        return items
    return value

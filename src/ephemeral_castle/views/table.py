"""Columns that line up."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def columns(rows: Iterable[Sequence[str]], *, indent: int = 0, right: Sequence[int] = ()) -> list[str]:
    """Rows as lines with aligned cells, two spaces between them.

    Args:
        rows: cells; shorter rows end earlier.
        indent: spaces before each line.
        right: indices of columns that are aligned to the right (numbers).
    """
    cells = [list(row) for row in rows]
    widths: dict[int, int] = {}
    for row in cells:
        for index, cell in enumerate(row):
            widths[index] = max(widths.get(index, 0), len(cell))
    lines = []
    for row in cells:
        parts = [c.rjust(widths[i]) if i in right else c.ljust(widths[i]) for i, c in enumerate(row)]
        lines.append((" " * indent + "  ".join(parts)).rstrip())
    return lines


def fields(pairs: Iterable[tuple[str, str]], *, indent: int = 2) -> list[str]:
    """`name  value` lines; pairs with an empty value are left out."""
    return columns(((name, value) for name, value in pairs if value), indent=indent)

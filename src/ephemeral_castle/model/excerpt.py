"""A line of a file with a caret under the place that is meant, made harmless for a terminal."""

from __future__ import annotations

import unicodedata

WINDOW = 110  # characters of a source line that are shown


def excerpt(source: str, line: int, column: int, width: int = 1) -> list[str]:
    """The line and the carets below it; a long line is cut around the place.

    Args:
        source: the line.
        line: its number, from 1.
        column: where the place begins, in characters, from 1.
        width: characters under the caret.
    """
    start = column - 1
    left = max(0, start - WINDOW // 2) if len(source) > WINDOW else 0
    seen = printable(source[left : left + WINDOW])
    indent = columns(seen[: start - left])
    carets = max(1, columns(seen[start - left : start - left + width]))
    number = str(line).rjust(5)
    return [f"{number} | {seen.rstrip()}", f"{' ' * len(number)} | {' ' * indent}{'^' * carets}"]


def printable(text: str) -> str:
    """The text without anything that could move a terminal's cursor; one character stays one character."""
    return "".join(
        char if char.isprintable() else " " if char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in text
    )


def shown(value: object, limit: int = 60) -> str:
    """A value from a file for use inside a message: printable, on one line, shortened."""
    text = printable(str(value)[: limit + 1])
    return text if len(text) <= limit else text[: limit - 3] + "..."


def columns(text: str) -> int:
    """Columns that a terminal needs (Unicode Standard Annex 11)."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )

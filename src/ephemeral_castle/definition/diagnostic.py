"""One finding in a definition, and how it is shown: position, message, source line with caret, hints."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

_WINDOW = 110  # characters of a source line that are shown


class Severity(StrEnum):
    """How bad a finding is. Errors stop `load`; warnings do not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Span:
    """A place in the file. `line` and `column` count from 1; `width`: characters on that line."""

    line: int
    column: int
    width: int = 1


@dataclass(frozen=True)
class Diagnostic:
    """One finding.

    Attributes:
        file: the file as the person named it.
        line: from 1.
        col: from 1, in characters.
        severity: error or warning.
        message: one line, lower case, no full stop.
        hints: what to do; may be empty.
        source: the line of the file, with secrets masked, or "" when there is none.
        width: characters under the caret.
    """

    file: str
    line: int
    col: int
    severity: Severity
    message: str
    hints: tuple[str, ...] = ()
    source: str = ""
    width: int = 1

    @property
    def position(self) -> str:
        """`file:line:col`, which editors and terminals make clickable."""
        return f"{self.file}:{self.line}:{self.col}"

    def render(self) -> str:
        """The finding as text of several lines, for a terminal."""
        lines = [f"{self.position}: {self.severity}: {self.message}"]
        if self.source.strip():
            lines += self._excerpt()
        lines += [f"hint: {hint}" for hint in self.hints]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, object]:
        """The same for JSON output."""
        return {
            "file": self.file,
            "line": self.line,
            "col": self.col,
            "severity": self.severity.value,
            "message": self.message,
            "hints": list(self.hints),
        }

    def _excerpt(self) -> list[str]:
        start = self.col - 1
        left = max(0, start - _WINDOW // 2) if len(self.source) > _WINDOW else 0
        shown = printable(self.source[left : left + _WINDOW])
        indent = columns(shown[: start - left])
        carets = max(1, columns(shown[start - left : start - left + self.width]))
        number = str(self.line).rjust(5)
        return [f"{number} | {shown.rstrip()}", f"{' ' * len(number)} | {' ' * indent}{'^' * carets}"]


def printable(text: str) -> str:
    """The text without anything that could move a terminal's cursor; one character stays one character."""
    return "".join(
        char if char.isprintable() else " " if char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in text
    )


def shown(value: object, limit: int = 60) -> str:
    """A value from the file for use inside a message: printable, on one line, shortened."""
    text = printable(str(value)[: limit + 1])
    return text if len(text) <= limit else text[: limit - 3] + "..."


def columns(text: str) -> int:
    """Columns that a terminal needs (Unicode Standard Annex 11)."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )

"""One finding in a definition, and how it is shown: position, message, source line with caret, hints."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ephemeral_castle.model.excerpt import excerpt


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
            lines += excerpt(self.source, self.line, self.col, self.width)
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

"""What is wrong in a file of the repository, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Place:
    """A place in a file of the repository. `line` and `column` count from 1; 0: not known."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes:
        place: where.
        message: one line, lower case, no full stop; never the value of a secret.
        hint: the fix.
        error: whether it stops the run; else a person should know.
    """

    place: Place
    message: str
    hint: str = ""
    error: bool = True

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" + (f" ({self.hint})" if self.hint else "")


def errors(findings: Sequence[Finding]) -> list[Finding]:
    """Those that stop the run, in the order of the files."""
    return sorted((found for found in findings if found.error), key=lambda found: found.place)


def warnings(findings: Sequence[Finding]) -> list[Finding]:
    """Those that a person should know."""
    return [found for found in findings if not found.error]

"""What `castle check` found: one fault of a definition, a manifest or the world, and where it lies."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

_PLACE = re.compile(r"(?:[^\s(`]*/)?([^\s(`/]+\.[A-Za-z]+):\d+:\d+")


class Severity(StrEnum):
    """How bad a finding is, the worst first. UNDECIDED: nobody could look, or know; it is counted, never passed."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
    UNDECIDED = "undecided"


class Mark(NamedTuple):
    """A place in a file. `line`, `column` count from 1, 0: not known. `via`: what put it there (a variable's value)."""

    file: str
    line: int = 0
    column: int = 0
    width: int = 1
    via: Mark | None = None

    def __str__(self) -> str:
        return ":".join([self.file, *(str(each) for each in (self.line, self.column) if each)])


@dataclass(frozen=True)
class Edit:
    """A change that mends a finding: the characters from `mark` on, `mark.width` many, become `text`.

    A width of 0 inserts; one that reaches over the end of the line takes line breaks with it, each one character.
    """

    mark: Mark
    text: str


@dataclass(frozen=True)
class Finding:
    """One fault.

    Attributes:
        rule: id of the rule, as `castle explain` takes it.
        severity: how bad it is.
        message: one line, lower case, no full stop.
        mark: where it lies.
        hints: what to do, the first the best; never anything that destroys data.
        says: the words with which the real system would refuse it; "" where it would not.
        subject: the object, "PostgresCluster tazlab/db"; "" where it is not about one.
        path: the field inside of it, "spec.users[1].name"; "" where it is not about one.
        chain: what brought the object here, outermost first: the kustomizations that include its file.
        edits: a mend that needs no judgement; empty for nearly all.
    """

    rule: str
    severity: Severity
    message: str
    mark: Mark
    hints: tuple[str, ...] = ()
    says: str = ""
    subject: str = ""
    path: str = ""
    chain: tuple[Mark, ...] = ()
    edits: tuple[Edit, ...] = field(default=(), compare=False)


def unplaced(text: str) -> str:
    """Words without the lines and directories of the places in them: by these a finding is known again elsewhere."""
    return _PLACE.sub(r"\1", text)

"""What a failure is that somebody met in a rebirth, and how castle meets it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a failure is met."""

    RULE = "rule"  # of `castle check`, perhaps beside something else
    GATE = "elsewhere"  # a step, a preflight, a property of castle
    NOT = "not"  # by nothing, with the reason


@dataclass(frozen=True)
class Failure:
    """One failure.

    Attributes:
        number: by which the rules name it, "F105".
        tags: how it can be met, of PRE (a look ahead), LINT (files), GATE (a wait), HEAL, INV (a property), POST (a
            look afterwards), separated by blanks.
        title: what went wrong, one line.
        kind: how castle meets it.
        answer: where else, or why not; "" where the rules are the whole answer. Markdown.
    """

    number: str
    tags: str
    title: str
    kind: Kind
    answer: str = ""

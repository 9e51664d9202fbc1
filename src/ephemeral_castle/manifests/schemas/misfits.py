"""A value of the wrong sort, in words for people: the server tells built-in kinds and custom ones apart. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# Go's decoder on a built-in kind, and the validation of a custom resource.
WORDS: Final = (
    re.compile(r"json: cannot unmarshal (\w+) (?:\S+ )?into Go (?:struct field \S+|value) of type (\w+)"),
    re.compile(r'Invalid value: "(\w+)": \S+ in body must be of type (\w+): "\w+"'),
)
TEXT, WHOLE, NUMBER, TRUTH = "a text", "a whole number", "a number", "true or false"
WANTED: Final = {
    "string": TEXT, "int": WHOLE, "integer": WHOLE, "float": NUMBER, "number": NUMBER, "bool": TRUTH, "boolean": TRUTH,
    "array": "a list", "object": "a map",
}  # fmt: skip
GIVEN: Final = {**WANTED, "integer": NUMBER}


@dataclass(frozen=True)
class Misfit:
    """What was given, and what belongs there."""

    given: str
    wanted: str

    @property
    def hint(self) -> str:
        """What mends it; "" where that is not only a matter of quotes."""
        if self.wanted == TEXT and self.given in (NUMBER, TRUTH):
            return "put it in quotes"
        return "write it without quotes" if self.given == TEXT and self.wanted in (WHOLE, NUMBER, TRUTH) else ""


def misfit(message: str) -> Misfit | None:
    """What the server's message says of two sorts; None where it is about something else."""
    found = next((match for each in WORDS if (match := each.fullmatch(message))), None)
    if found is None:
        return None
    given, wanted = found.groups()
    bare = wanted.rstrip("0123456789")
    return Misfit(GIVEN.get(given, given), WANTED.get(bare, bare))

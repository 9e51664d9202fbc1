"""Which name was perhaps meant by one that is not there. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

LIKE = 0.75  # of the parts that differ
SHORTEST = 4  # characters of such a part: shorter ones are names of their own


def meant(name: str, there: Iterable[str]) -> str:
    """The name that differs by a slip in one of its parts; "" where there is none.

    Names that differ in numbers alone are different things.
    """
    best, found = 0.0, ""
    for other in sorted(set(there)):
        likeness = _likeness(name, other)
        if likeness > best:
            best, found = likeness, other
    return found


def _likeness(name: str, other: str) -> float:
    parts, others = (re.split(r"[-_./]", one) for one in (name, other))
    if len(parts) != len(others):
        joined, another = "".join(parts), "".join(others)
        return 1.0 if joined == another else 0.0
    pairs = [(one, two) for one, two in zip(parts, others, strict=True) if one != two]
    if not pairs:
        return 1.0  # other separators
    if len(pairs) != 1 or min(map(len, pairs[0])) < SHORTEST:
        return 0.0
    one, two = pairs[0]
    if re.sub(r"\d", "", one) == re.sub(r"\d", "", two):
        return 0.0
    if one.startswith(two) or two.startswith(one):
        return LIKE  # cut short: prod, production
    ratio = SequenceMatcher(None, one, two).ratio()
    return ratio if ratio >= LIKE and abs(len(one) - len(two)) <= 2 else 0.0

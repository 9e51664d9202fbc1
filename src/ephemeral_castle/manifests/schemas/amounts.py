"""Exact amounts of quantities, as the API server compares them (`manifests.quantity` rounds up to whole ones).

Source: package resource of k8s.io/apimachinery.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

_QUANTITY: Final = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?\Z")
_SCALES: Final = {
    **{f"{letter}i": Fraction(1 << 10 * power) for power, letter in enumerate("KMGTPE", 1)},
    **{letter: Fraction(1000**power) for power, letter in enumerate("kMGTPE", 1)},
    **{letter: Fraction(1, 1000**power) for power, letter in enumerate("mun", 1)},
    "": Fraction(1),
}


_SLIP: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) *([kmgtpe])i?b?\Z", re.IGNORECASE)


def likely(text: str) -> str:
    """What was meant by a text that is no quantity, as a hint; in general words where that is not clear."""
    found = _SLIP.match(text)
    if found is None:
        return "a number, and after it k, M, G, T or Ki, Mi, Gi, Ti: 5Gi"
    letter = found[2].upper()
    thousands = "k" if letter == "K" else letter
    return f"write {found[1]}{letter}i (powers of 1024) or {found[1]}{thousands} (powers of 1000)"


def amount(text: str) -> Fraction | None:
    """The exact amount of a quantity; None: it is none."""
    found = _QUANTITY.match(text)
    if found is None or not (found[2] or found[3]):
        return None
    sign, whole, part, suffix = found[1], found[2] or "0", found[3] or "", found[4] or ""
    if suffix in _SCALES:
        scale = _SCALES[suffix]
    elif abs(int(suffix[1:])) > 400:
        return None
    else:
        scale = Fraction(10) ** int(suffix[1:])
    return Fraction(int(f"{sign}{whole}{part}"), 10 ** len(part)) * scale

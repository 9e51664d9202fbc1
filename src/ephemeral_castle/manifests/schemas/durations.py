"""Durations as Go and the API server read them. Unit: nanoseconds.

Source: `time.ParseDuration` of Go, package strfmt of k8s.io/kube-openapi.
"""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
# Words of the looser reading: a unit is one of the first ones, or begins with the last.
_WORDS: Final = (
    (("ns",), "nano", 1),
    (("us", "µs"), "micro", 1_000),
    (("ms",), "milli", 1_000_000),
    (("s",), "sec", 1_000_000_000),
    (("m",), "min", 60_000_000_000),
    (("h", "hr"), "hour", 3_600_000_000_000),
    (("d",), "day", 86_400_000_000_000),
    (("w", "wk"), "week", 604_800_000_000_000),
)
_PART: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?([a-zµμ]+)")
_LOOSE: Final = re.compile(r"([0-9]+)\s*([A-Za-zµ]+)")
_MOST: Final = 2**63
_PRECISE: Final = 18  # digits after the point; what follows is less than a nanosecond of any unit


def go_duration(text: str) -> int | None:
    """What `time.ParseDuration` makes of a string; None: it refuses."""
    body = text[1:] if text[:1] in ("+", "-") else text
    sign = -1 if text.startswith("-") else 1
    if body == "0":
        return 0
    total, at = 0, 0
    for found in _PART.finditer(body):
        whole, part, unit = found.groups()
        if found.start() != at or unit not in _UNITS or not (whole or part) or len(whole.lstrip("0")) > 19:
            return None
        part = (part or "")[:_PRECISE]
        scale = _UNITS[unit]
        total += int(whole or 0) * scale + (int(part) * scale // 10 ** len(part) if part else 0)
        at = found.end()
        if total > _MOST:
            return None
    return sign * total if body and at == len(body) and (sign < 0 or total < _MOST) else None


def duration(text: str) -> int | None:
    """What the format `duration` makes of a string: Go's way, else number and word anywhere in it; None: nothing."""
    exact = go_duration(text)
    if exact is not None:
        return exact
    total, any_ = 0, False
    for number, word in _LOOSE.findall(text):
        if len(number.lstrip("0")) > 18:
            return None
        unit = word.lower()
        for short, long, scale in _WORDS:
            for _ in range((unit in short) + unit.startswith(long)):
                total, any_ = total + int(number) * scale, True
    return total if any_ else None


def is_duration(text: str) -> bool:
    """Whether the server takes a string as a duration."""
    return duration(text) is not None

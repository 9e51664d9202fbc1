"""Lengths of time as Go writes them: `10m`, `1h30m`, `500ms`. Pure."""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """How long it is; 0 for what is none."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)

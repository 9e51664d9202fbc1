"""Durations and sizes as people write them: `1h30m`, `60s`, `512MiB`, `2GB`. A number without a unit is refused.

Use `Duration` and `Size` as types of fields in a driver's options: the file has the text, Python has seconds (float)
and bytes (int), and `model_dump(mode="json")` gives the text back.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from ephemeral_castle.spi.options import refusal

_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_BYTES = {
    "TiB": 1024**4,
    "GiB": 1024**3,
    "MiB": 1024**2,
    "KiB": 1024,
    "TB": 1000**4,
    "GB": 1000**3,
    "MB": 1000**2,
    "kB": 1000,
    "B": 1,
}

_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|[dhms])")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(TiB|GiB|MiB|KiB|TB|GB|MB|kB|B)")
_LOOSE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")

_MEANT_TIME = {
    "sec": "s", "secs": "s", "second": "s", "seconds": "s",
    "min": "m", "mins": "m", "minute": "m", "minutes": "m",
    "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
    "day": "d", "days": "d", "msec": "ms", "millisecond": "ms", "milliseconds": "ms",
}  # fmt: skip


class UnitError(ValueError):
    """A text is not a duration or size. `hint`: the fix."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def parse_duration(text: str) -> float:
    """Seconds of `90s`, `10m`, `1h30m`, `250ms`, `1.5h`; units d, h, m, s, ms from large to small, each once.

    Raises:
        UnitError: with the fix in `hint`.
    """
    if not _DURATION.fullmatch(text):
        raise UnitError(f"`{_short(text)}` is not a duration", _duration_hint(text))
    total, last = 0.0, float("inf")
    for number, unit in _PART.findall(text):
        scale = _MILLISECONDS[unit]
        if scale >= last:
            raise UnitError(
                f"`{_short(text)}` is not a duration: units stand from large to small, each once",
                "write it like `1h30m`",
            )
        total, last = total + float(number) * scale, scale
    return total / 1000


def parse_size(text: str) -> int:
    """Bytes of `512MiB` (1024 × 1024 each), `2GB` (1000³), `1.5GiB`.

    Raises:
        UnitError: with the fix in `hint`.
    """
    match = _SIZE.fullmatch(text)
    if not match:
        raise UnitError(f"`{_short(text)}` is not a size", _size_hint(text))
    number, unit = match.groups()
    whole, _, fraction = number.partition(".")
    scaled = int(whole + fraction) * _BYTES[unit]
    size, rest = divmod(scaled, int(10 ** len(fraction)))
    if rest:
        raise UnitError(f"`{_short(text)}` is not a whole number of bytes", "write it in a smaller unit")
    return size


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads back, to the millisecond: 5400.0 -> `1h30m`."""
    left = round(seconds * 1000)
    parts = []
    for unit, scale in _MILLISECONDS.items():
        count, left = divmod(left, scale)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def format_size(size: int) -> str:
    """The text that `parse_size` reads back exactly, in the largest unit without a fraction: 536870912 -> `512MiB`."""
    for unit, scale in _BYTES.items():
        if size and size % scale == 0:
            return f"{size // scale}{unit}"
    return "0B"


def _short(text: str) -> str:
    cleaned = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return cleaned if len(cleaned) <= 40 else cleaned[:37] + "..."


def _duration_hint(text: str) -> str:
    match = _LOOSE.fullmatch(text.strip()) if len(text) < 40 else None
    if match:
        number, unit = match.groups()
        meant = _MEANT_TIME.get(unit.lower()) or (unit.lower() if unit.lower() in _MILLISECONDS else "")
        if meant:
            return f"write `{number}{meant}`"
        if not unit:
            return _bare_duration_hint(number)
    return "units are `d`, `h`, `m`, `s` and `ms`: `10m`, `1h30m`"


def _bare_duration_hint(number: str) -> str:
    return f"add the unit: `{number}s`, `{number}m` or `{number}h`"


def _size_hint(text: str) -> str:
    match = _LOOSE.fullmatch(text.strip()) if len(text) < 40 else None
    if match:
        number, unit = match.groups()
        if not unit:
            return _bare_size_hint(number)
        if len(unit) == 1 and unit.upper() in "KMGT":
            binary, decimal = f"{unit.upper()}iB", "kB" if unit in "kK" else f"{unit.upper()}B"
            return f"write `{number}{binary}` (powers of 1024) or `{number}{decimal}` (powers of 1000)"
        for known in _BYTES:
            if known.lower() == unit.lower():
                return f"write `{number}{known}`"
    return "units are `B`, `KiB`, `MiB`, `GiB`, `TiB` and `kB`, `MB`, `GB`, `TB`: `512MiB`"


def _bare_size_hint(number: str) -> str:
    return f"add the unit: `{number}MiB` or `{number}GiB`"


def _read_duration(value: Any) -> float:
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except UnitError as error:
            raise refusal(error.message, error.hint) from None
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = _short(str(value))
        raise refusal(f"{number} is a duration without a unit", _bare_duration_hint(number))
    raise refusal("a duration is a text with a unit", "write it like `10m` or `1h30m`")


def _read_size(value: Any) -> int:
    if isinstance(value, str):
        try:
            return parse_size(value)
        except UnitError as error:
            raise refusal(error.message, error.hint) from None
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = _short(str(value))
        raise refusal(f"{number} is a size without a unit", _bare_size_hint(number))
    raise refusal("a size is a text with a unit", "write it like `512MiB` or `2GB`")


Duration = Annotated[
    float,
    BeforeValidator(_read_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^([0-9]+(\.[0-9]+)?(ms|d|h|m|s))+$",
            "format": "duration-with-unit",
            "examples": ["60s", "10m", "1h30m"],
        }
    ),
]
"""Seconds in Python, `1h30m` in the file."""

Size = Annotated[
    int,
    BeforeValidator(_read_size),
    PlainSerializer(format_size, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^[0-9]+(\.[0-9]+)?(TiB|GiB|MiB|KiB|TB|GB|MB|kB|B)$",
            "format": "size-with-unit",
            "examples": ["512MiB", "2GiB"],
        }
    ),
]
"""Bytes in Python, `512MiB` in the file."""

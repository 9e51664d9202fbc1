"""The vocabulary of every screen: signs, durations, sizes, counts, and text from outside made harmless."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


class Sign(StrEnum):
    """The six signs. Each always stands beside a word, so that neither colour nor the glyph is needed."""

    START = "►"
    DONE = "✔"
    FAILED = "✗"
    RETRY = "↻"
    WARNING = "⚠"
    INFO = "◎"


def duration(seconds: float | None) -> str:
    """Seconds as people say them: `0.42s`, `8.3s`, `30s`, `11m40s`, `1h05m`, `3d04h`; `-` when not known."""
    if seconds is None:
        return "-"
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if round(seconds, 2) < 1:
        return f"{seconds:.2f}s"
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.0f}s" if seconds == int(seconds) else f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02d}s"
    if whole < 2 * _DAY:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02d}m"
    return f"{whole // _DAY}d{whole % _DAY // _HOUR:02d}h"


def clock(seconds: float) -> str:
    """Time since the start of a run as `mm:ss.t`; minutes grow beyond 99 in a long run."""
    tenths = max(0, round(seconds * 10))
    return f"{tenths // 600:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


def instant(at: float | None) -> str:
    """Unix seconds as RFC 3339 in UTC, or `never`."""
    if at is None:
        return "never"
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def size(octets: float | None) -> str:
    """Bytes in binary units (IEC 80000-13): `512 B`, `1.5 MiB`, `24 GiB`; `-` when not known."""
    if octets is None:
        return "-"
    value = float(octets)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def count(number: int, singular: str, plural: str = "") -> str:
    """A number with its noun: `1 step`, `18,214 rows`."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def listed(items: list[str] | tuple[str, ...], none: str = "none") -> str:
    """Items separated by commas, or the word for an empty list."""
    return ", ".join(items) if items else none


def clean(text: object) -> str:
    """Text that came from outside, on one line and without control characters, which could drive the terminal."""
    return "".join(c if c.isprintable() else " " for c in str(text)).strip()


def place(step_id: str) -> str:
    """A step as `layer/step`."""
    return step_id.replace(".", "/", 1)


def hint(text: object, programs: tuple[str, ...] = ("castle",)) -> str:
    """A hint on one line; a bare command of one of `programs` is put between backticks, and prose is not."""
    line = clean(text)
    command = line.partition(" ")[0] in programs and " " in line
    return f"`{line}`" if command and "`" not in line and "," not in line else line


def error_line(error: object) -> str:
    """The one line that says why, from what an event carries: an error object as a mapping, or a text."""
    if isinstance(error, Mapping):
        message, why = clean(error.get("message", "")), clean(error.get("why", ""))
        return f"{message}: {why}" if message and why else message or why or "no reason given"
    return clean(error) if error else "no reason given"


def number(value: Any) -> str:
    """A count with thousands separators; `-` when not known."""
    return f"{value:,}" if isinstance(value, int) else "-"

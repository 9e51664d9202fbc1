"""Positions in the write-ahead log.

Reference: PostgreSQL `src/include/access/xlogdefs.h` (XLogRecPtr) and the type pg_lsn.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TEXT = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")
MAXIMUM = 2**64 - 1


@dataclass(frozen=True, order=True)
class Lsn:
    """A byte position in the WAL; compares and subtracts as a number. `value`: 0 to 2**64 - 1."""

    value: int

    def __post_init__(self) -> None:
        if not 0 <= self.value <= MAXIMUM:
            raise ValueError(f"an LSN lies between 0 and 2**64 - 1, not at {self.value}")

    @classmethod
    def parse(cls, text: str) -> Lsn:
        """Reads "16/B374D848".

        Raises:
            ValueError: not of that form.
        """
        match = _TEXT.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"not an LSN: {text!r} (expected two hexadecimal numbers like 16/B374D848)")
        return cls(int(match[1], 16) << 32 | int(match[2], 16))

    def __str__(self) -> str:
        return f"{self.value >> 32:X}/{self.value & 0xFFFFFFFF:X}"

    def __sub__(self, other: Lsn) -> int:
        """Bytes between two positions; negative when `other` is ahead."""
        return self.value - other.value

"""Colour, which only repeats what sign and word say already."""

from __future__ import annotations

from dataclasses import dataclass

from ephemeral_castle.views.words import Sign

_CODES = {
    Sign.START: "36",
    Sign.DONE: "32",
    Sign.FAILED: "31",
    Sign.RETRY: "33",
    Sign.WARNING: "33",
    Sign.INFO: "34",
}


@dataclass(frozen=True)
class Paint:
    """Wraps text in ECMA-48 SGR sequences, or leaves it alone. `on`: a terminal that was not told NO_COLOR."""

    on: bool = False

    def sign(self, sign: Sign) -> str:
        """The glyph in its colour."""
        return self._sgr(_CODES[sign], sign.value)

    def strong(self, text: str) -> str:
        """Bold."""
        return self._sgr("1", text)

    def faint(self, text: str) -> str:
        """Dim."""
        return self._sgr("2", text)

    def bad(self, text: str) -> str:
        """Red and bold."""
        return self._sgr("1;31", text)

    def _sgr(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.on else text


PLAIN = Paint()

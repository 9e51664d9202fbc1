"""What the terminal can show: colour or not, a person or a pipe."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from ephemeral_castle.views.paint import Paint


def colour(stream: TextIO) -> bool:
    """Whether colour may be written to a stream: a terminal, no NO_COLOR (no-color.org), TERM not `dumb`."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def out_paint() -> Paint:
    """Colour for standard output."""
    return Paint(colour(sys.stdout))


def out_width() -> int:
    """Columns of the terminal behind standard output; 0 where there is none."""
    from shutil import get_terminal_size

    return get_terminal_size().columns if sys.stdout.isatty() else 0


def err_paint() -> Paint:
    """Colour for standard error."""
    return Paint(colour(sys.stderr))


def asks() -> bool:
    """Whether a person can be asked: standard input and standard error are terminals."""
    return sys.stdin.isatty() and sys.stderr.isatty()

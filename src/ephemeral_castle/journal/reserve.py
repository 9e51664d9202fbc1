"""Room that is kept for the last words: a file beside the journal that is given up when the disk is full.

Without it a runner that meets a full disk could write neither what it took back nor that it ended, and would look as
if it had been killed.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

SIZE = 2 * 1024**2  # bytes; the end of a run with a hundred steps taken back, and SQLite's log of it, is under 1 MiB


class Reserve:
    """The room beside one journal."""

    def __init__(self, journal: Path) -> None:
        self.path = journal.with_name(f"{journal.name}.reserve")

    def take(self) -> None:
        """Keeps the room; does nothing when it is kept.

        Raises:
            OSError: the disk has no room for it, or takes no file.
        """
        if self.path.exists() and self.path.stat().st_size >= SIZE:
            return
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, SIZE)
        except OSError:
            self.give_up()  # a part of it keeps nothing and takes room
            raise
        finally:
            os.close(descriptor)

    def give_up(self) -> None:
        """Gives the room to whoever writes next; the next `take` keeps it again."""
        with contextlib.suppress(OSError):
            self.path.unlink()

"""Directory trees on this computer."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def delete_tree(directory: Path) -> None:
    """Deletes a directory with all it holds; no error when it is not there.

    The caller makes sure that nothing is mounted below: a mount could be somebody else's data.
    """
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(directory)

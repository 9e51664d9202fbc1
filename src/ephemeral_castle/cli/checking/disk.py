"""A directory of this computer as the files of a repository. Nothing outside of it is read, by no link either."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from ephemeral_castle.manifests.files import Unreadable

LARGEST = 32 * 1024 * 1024  # bytes; the largest bundle of CRDs has 3 MB
LEFT_OUT = frozenset({".git", ".venv", "__pycache__", "node_modules", ".terraform"})  # what tools keep there


class Disk:
    """The files below a directory; see `manifests.files.Files`."""

    def __init__(self, root: str) -> None:
        self.root = Path(root)
        self.real = self.root.resolve()

    def read(self, path: str) -> bytes:
        """The content of a file."""
        found = self.root / path
        if not self._inside(found):
            raise Unreadable("this link leads out of the repository")
        return content(found)

    def list(self, directory: str) -> Sequence[str]:
        """The names in a directory."""
        try:
            with os.scandir(self.root / directory) as entries:
                return sorted(name for entry in entries if (name := self._name(entry)))
        except OSError:
            return ()

    def is_file(self, path: str) -> bool:
        """Whether a file is there."""
        found = self.root / path
        return found.is_file() and self._inside(found)

    def is_directory(self, path: str) -> bool:
        """Whether a directory is there."""
        found = self.root / path
        return found.is_dir() and self._inside(found)

    def _name(self, entry: os.DirEntry[str]) -> str:
        """As a listing tells it; "" for what is left out."""
        if entry.name in LEFT_OUT or (entry.is_symlink() and not self._inside(Path(entry.path))):
            return ""
        if entry.is_dir():
            return f"{entry.name}/"
        return entry.name if entry.is_file() else ""

    def _inside(self, path: Path) -> bool:
        try:
            return path.resolve().is_relative_to(self.real)
        except (OSError, RuntimeError):  # a link that leads to itself
            return False


def content(path: Path) -> bytes:
    """The content of a file of this computer; see `manifests.files.Files.read`."""
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            raise FileNotFoundError(path)
        if not stat.S_ISREG(about.st_mode):
            raise Unreadable("this is no usual file")
        if about.st_size > LARGEST:
            raise Unreadable(f"this file is larger than {LARGEST >> 20} MiB")
        return path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(path) from None
    except OSError as error:
        raise Unreadable(f"this file cannot be read: {error.strerror}") from None

"""The cache of schemas on this computer, and the lock file that says which of them a repository is judged by."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ephemeral_castle.errors import Damaged
from ephemeral_castle.manifests.schemas.lock import NAME, BadLockError, Lock, read, written

HASH = "sha256:"


def home() -> Path:
    """Where entries lie: outside of any checkout, for all repositories of this user."""
    chosen = os.environ.get("CASTLE_SCHEMAS")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ephemeral-castle" / "schemas"


def fetch() -> Callable[[str], bytes | None]:
    """Gives the entry of a digest; None where the cache has none."""
    base = home()

    def fetched(digest: str) -> bytes | None:
        name = digest.removeprefix(HASH)
        if len(name) != 64 or not name.isalnum():
            return None
        try:
            return (base / name[:2] / name).read_bytes()
        except OSError:
            return None

    return fetched


def keep(digest: str, entry: bytes) -> None:
    """Puts an entry into the cache; whole or not at all."""
    name = digest.removeprefix(HASH)
    place = home() / name[:2]
    if (place / name).exists():
        return
    place.mkdir(parents=True, exist_ok=True)
    part = place / f".{name}.{os.getpid()}"
    part.write_bytes(entry)
    part.replace(place / name)


def lock_file(directory: str) -> Path | None:
    """The lock that holds for a directory: its own, or that of the nearest directory above within its repository."""
    start = Path(directory or ".").resolve()
    for place in (start, *start.parents):
        if (place / NAME).is_file():
            return place / NAME
        if (place / ".git").exists():
            return None
    return None


def lock_of(path: Path | None) -> Lock:
    """The lock of a file; an empty one where there is none.

    Raises:
        Damaged: it cannot be read.
    """
    if path is None or not path.exists():
        return Lock()
    try:
        return parsed(path.read_bytes(), str(path))
    except OSError as error:
        raise _unread(str(path), error) from error


def parsed(content: bytes, where: str) -> Lock:
    """The lock of a file's content. Raises Damaged, which names `where`."""
    try:
        return read(content.decode())
    except (BadLockError, UnicodeDecodeError) as error:
        raise _unread(where, error) from error


def _unread(where: str, error: Exception) -> Damaged:
    hints = [f"git checkout {where}", "or remove it, and castle schemas pull SOURCE"]
    return Damaged("this lock of schemas cannot be read", where=where, why=str(error), hints=hints)


def write(path: Path, lock: Lock) -> None:
    """Writes the lock; whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(written(lock), encoding="utf-8")
    part.replace(path)

"""Files of a project, in the machine's memory."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath


def sync(folder: Path, archive: tarfile.TarFile, prefix: str) -> set[str]:
    """Makes the folder equal to the archive's part, touching only what differs; gives the paths that changed.

    An untouched file keeps its inode, so the containers that have it mounted go on seeing it.
    """
    wanted = {name.removeprefix(prefix): name for name in archive.getnames() if name.startswith(prefix)}
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    changed = remove_others(folder, set(wanted))
    for path, name in wanted.items():
        entry = archive.getmember(name)
        stream = archive.extractfile(entry)
        if stream is not None and place(folder / path, stream.read(), entry):
            changed.add(path)
    return changed


def place(target: Path, content: bytes, entry: tarfile.TarInfo) -> bool:
    """Writes one file with owner and mode; whether anything was different."""
    if not target.is_symlink() and target.is_file():
        known = target.stat()
        if (known.st_mode & 0o7777, known.st_uid, known.st_gid) == (entry.mode, entry.uid, entry.gid) and (
            target.read_bytes() == content
        ):
            return False
    elif target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.castle")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        os.fchown(stream.fileno(), entry.uid, entry.gid)
        os.fchmod(stream.fileno(), entry.mode)
    new.rename(target)
    return True


def remove_others(folder: Path, wanted: set[str]) -> set[str]:
    """Removes files that are not wanted any more, and folders that are empty then."""
    gone: set[str] = set()
    for root, folders, files in os.walk(folder, topdown=False):
        for name in files:
            path = Path(root, name)
            relative = str(PurePosixPath(path.relative_to(folder)))
            if relative not in wanted:
                path.unlink()
                gone.add(relative)
        for name in folders:
            path = Path(root, name)
            if path.is_symlink():
                path.unlink()
            elif not any(path.iterdir()):
                path.rmdir()
    return gone

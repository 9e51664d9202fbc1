"""Files on their way into memory somewhere else."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping


def packed(files: Mapping[str, str], owner: int = 0) -> bytes:
    """A tar archive of texts, mode 0600: delivered by standard input, so that it never is on a disk.

    Args:
        files: texts by path; a byte that is no UTF-8 comes through as `surrogateescape` has it.
        owner: user and group id.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in files.items():
            data = text.encode(errors="surrogateescape")
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.uid, entry.gid = len(data), 0o600, owner, owner
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()

"""The directory that is mounted into machines: what kubeadm needs there as programs, and nothing else."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .places import STORE

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = ("kubeadm", "kubelet", "kubectl")


def kit(programs: Mapping[str, Path]) -> Path:
    """The directory that holds them, made when it is missing. Its name changes with its content, its content never.

    Args:
        programs: name to file, of at least `NAMES`.
    """
    names = sorted(f"{name}={programs[name].name}" for name in NAMES)
    target = STORE / f"kit-{hashlib.sha256(' '.join(names).encode()).hexdigest()[:12]}"
    if target.exists():
        return target
    room = Path(tempfile.mkdtemp(prefix="kit.", dir=STORE))
    try:
        for name in NAMES:
            os.link(programs[name], room / name)  # the same disk: programs lie beside it
        room.chmod(0o755)
        try:
            room.rename(target)
        except OSError:
            if not target.exists():  # else another one made the same a moment ago
                raise
    finally:
        shutil.rmtree(room, ignore_errors=True)
    return target

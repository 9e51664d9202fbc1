"""A real registry on the loopback, as long as a test needs it: Debian's docker-registry."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from testbed import registry

SCRIPT = Path(registry.__file__)
needs_registry = pytest.mark.skipif(
    registry.program() is None, reason="Debian's docker-registry is not here: make setup"
)
INSECURE = '[[registry]]\nlocation = "{address}"\ninsecure = true\n'


def start(directory: Path, storage: Path, *options: str) -> dict[str, Any]:
    """Starts a registry, and says where it is."""
    command: list[str | Path] = [sys.executable, SCRIPT, "start", directory, "--storage", storage, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def stop(directory: Path) -> None:
    """Ends the registry of a directory."""
    subprocess.run([sys.executable, SCRIPT, "stop", directory], check=True, timeout=60)


@contextmanager
def registry_in(room: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """`HOST:PORT` of a registry, and the variables that tell podman that it speaks plain HTTP."""
    address = start(room / "registry", room / "registry-storage")["address"]
    (room / "registries.conf").write_text(INSECURE.format(address=address))
    try:
        yield address, {"CONTAINERS_REGISTRIES_CONF": str(room / "registries.conf")}
    finally:
        stop(room / "registry")

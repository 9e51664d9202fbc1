"""A real registry on the loopback, as long as a test needs it: Debian's docker-registry."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("CASTLE_CACHE", "/var/cache/ephemeral-castle"))
UNPACKED = CACHE / "docker-registry" / "usr" / "bin" / "docker-registry"  # by scripts/setup
PROGRAM = str(UNPACKED) if UNPACKED.exists() else shutil.which("docker-registry")
needs_registry = pytest.mark.skipif(PROGRAM is None, reason="Debian's docker-registry is not here: make setup")
CONFIG = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {room}/registry}}}}
http: {{addr: 127.0.0.1:{port}}}
"""
INSECURE = '[[registry]]\nlocation = "127.0.0.1:{port}"\ninsecure = true\n'


@contextmanager
def registry_in(room: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """`HOST:PORT` of a registry, and the variables that tell podman that it speaks plain HTTP."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (room / "registry.yml").write_text(CONFIG.format(room=room, port=port))
    (room / "registries.conf").write_text(INSECURE.format(port=port))
    command = [str(PROGRAM), "serve", str(room / "registry.yml")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    try:
        yield f"127.0.0.1:{port}", {"CONTAINERS_REGISTRIES_CONF": str(room / "registries.conf")}
    finally:
        process.terminate()
        process.wait(10)

"""Sends the hand to a machine: one way in for all that a step wants there."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import zipfile
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ephemeral_castle.errors import Permanent, Transient
from ephemeral_castle.spi.world import Machine

# The program never is a file on the machine: Python imports it from memory that ends with the process.
BOOT = (
    "import os, sys; b = sys.stdin.buffer; f = os.memfd_create('castle'); "
    "os.write(f, b.read(int(b.readline()))); sys.path.insert(0, f'/proc/self/fd/{f}'); "
    "from hand.main import main; main()"
)


@cache
def hand() -> bytes:
    """The program that runs on machines, as an archive that Python imports from."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(files(f"{__package__}.hand").iterdir(), key=lambda each: each.name):
            if file.name.endswith(".py"):
                archive.writestr(f"hand/{file.name}", file.read_bytes())
    return buffer.getvalue()


@cache
def tool() -> tuple[str, bytes]:
    """podman-compose and a digest of it: found among castle's own packages, never imported.

    Raises:
        Permanent: it is not installed.
    """
    found = importlib.util.find_spec("podman_compose")
    if found is None or found.origin is None:
        raise Permanent(
            "podman-compose is not installed beside castle",
            why="the driver `compose` hands it to machines",
            hints=["make setup"],
        )
    content = Path(found.origin).read_bytes()
    return hashlib.sha256(content).hexdigest()[:16], content


async def send(
    machine: Machine, verb: str, layer: str, request: Mapping[str, Any], archive: bytes = b"", *, timeout: float = 60.0
) -> dict[str, Any]:
    """Has a verb done on a machine; gives what the hand answered.

    Args:
        machine: where.
        verb: "see", "up", "health", "moving", "still", "waiting" or "again".
        layer: id of the layer.
        request: what the hand is told.
        archive: for "up": the files. Secrets go this way only, by standard input.
        timeout: seconds.

    Raises:
        Transient: the hand could not do it. Unreachable: the machine does not answer.
    """
    stdin = b"%d\n" % len(hand()) + hand() + json.dumps(request).encode() + b"\n" + archive
    result = await machine.transport.run(["python3", "-c", BOOT, verb, layer], stdin=stdin, timeout=timeout)
    try:
        answer: dict[str, Any] = json.loads(result.out.strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise Transient(
            f"machine {machine.id} does not do what it is asked",
            why=result.last_words() or f"exit status {result.code}",
            hints=["castle resume"],
        ) from None
    if "error" in answer:
        raise Transient(f"the services on machine {machine.id} do not come as they should", why=str(answer["error"]))
    return answer

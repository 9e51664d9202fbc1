"""From what is asked to what is done."""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
from typing import Any

from .cut import again, moving, see, still, waiting
from .health import health
from .order import up
from .podman import Broken, Json, Layer

LOOKS = {"see": see, "moving": moving, "waiting": waiting}
ACTS = {"health": health, "still": still, "again": again}


def answer(stream: Any, verb: str, name: str) -> Json:
    """Reads one line of JSON, for `up` an archive after it, and does the verb."""
    request: Json = json.loads(stream.readline())
    layer = Layer(name)
    if verb in LOOKS:
        return LOOKS[verb](layer, request)
    with layer.lock():
        if verb == "up":
            with tarfile.open(fileobj=io.BytesIO(stream.read())) as archive:
                return up(layer, request, archive)
        return ACTS[verb](layer, request)


def main() -> None:
    """The verb and the layer are arguments; the rest comes by standard input."""
    os.umask(0o022)  # folders that containers have mounted; HOME itself is closed to everybody else
    try:
        told = answer(sys.stdin.buffer, sys.argv[1], sys.argv[2])
    except Broken as error:
        told = {"error": str(error)}
    print(json.dumps(told))

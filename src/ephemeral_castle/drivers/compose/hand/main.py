"""From what is asked to what is done."""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

from .podman import Broken, Json, Layer

# Only what a verb needs is read and compiled: somebody waits for a look.
HOMES = {"see": "seeing", "health": "health", "up": "order"}  # all others: "cut"
LOOKS = ("see", "moving", "waiting")


def answer(stream: Any, verb: str, name: str) -> Json:
    """Reads one line of JSON, for `up` an archive after it, and does the verb."""
    request: Json = json.loads(stream.readline())
    layer = Layer(name)
    work = getattr(importlib.import_module(f"{__package__}.{HOMES.get(verb, 'cut')}"), verb)
    if verb in LOOKS:
        return dict(work(layer, request))
    with layer.lock():
        return dict(work(layer, request, stream.read()) if verb == "up" else work(layer, request))


def main() -> None:
    """The verb and the layer are arguments; the rest comes by standard input."""
    os.umask(0o022)  # folders that containers have mounted; HOME itself is closed to everybody else
    try:
        told = answer(sys.stdin.buffer, sys.argv[1], sys.argv[2])
    except Broken as error:
        told = {"error": str(error)}
    print(json.dumps(told))

"""The hash that kustomize puts behind the names of what it generates. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ephemeral_castle.manifests.tree import Map, text

LETTERS = str.maketrans({"0": "g", "1": "h", "3": "k", "a": "m", "e": "t"})  # so that no hash is a bad word
OF_HTML = {"&": "\\u0026", "<": "\\u003c", ">": "\\u003e", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def digest(manifest: Map) -> str:
    """Ten characters of the SHA-256 of a ConfigMap's or Secret's content."""
    kind = text(manifest.get("kind"))
    names = ("data", "binaryData") if kind == "ConfigMap" else ("data", "stringData")
    content: dict[str, Any] = {"kind": kind, "name": ""}  # kustomize looks it up under a name that no object has
    content["data"] = manifest.get("data", "")
    if kind == "Secret":
        content["type"] = text(manifest.get("type"))
    if isinstance(manifest.get(names[1]), dict):
        content[names[1]] = manifest[names[1]]
    return hashlib.sha256(as_go(content).encode()).hexdigest()[:10].translate(LETTERS)


def as_go(value: Any) -> str:
    """JSON as Go's encoder writes it: keys in order, no blanks, nothing that HTML would read."""
    written = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for char, escaped in OF_HTML.items():
        written = written.replace(char, escaped)
    return written

"""Manifests that sops encrypted: their values are known to be there, and nothing more. Pure.

Source: getsops.io; the block `sops` at the end of a file holds keys and a checksum, and is gone once Flux decrypted it.
"""

from __future__ import annotations

from typing import Any

from ephemeral_castle.manifests.substitution import Undecided
from ephemeral_castle.manifests.tree import Map, Seq

BLOCK = "sops"
SIGNS = ("mac", "lastmodified", "version", "unencrypted_suffix", "encrypted_regex")
ENCRYPTED = "ENC["


def opened(value: Any) -> Any:
    """A document as it will be after decryption, as far as anybody can know: encrypted values are Undecided.

    A document that is not encrypted is returned as it is.
    """
    block = value.get(BLOCK) if isinstance(value, Map) else None
    if not isinstance(block, Map) or not any(sign in block for sign in SIGNS):
        return value
    value.drop(BLOCK)
    _mark(value)
    return value


def _mark(value: Any) -> None:
    keys = list(value) if isinstance(value, Map) else range(len(value)) if isinstance(value, Seq) else ()
    for key in keys:
        each = value[key]
        if isinstance(each, str) and each.startswith(ENCRYPTED):
            value[key] = Undecided(each)
        elif isinstance(each, dict | list):
            _mark(each)

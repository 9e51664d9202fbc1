"""What a Secret that leads to the repository says. Pure."""

from __future__ import annotations

import base64
import hashlib

from ephemeral_castle.drivers.postgres.pgo.vocabulary import CONF
from ephemeral_castle.spi.kubernetes import Manifest


def text(found: Manifest | None) -> str:
    """Of its `s3.conf`; "" where there is none."""
    coded = ((found or {}).get("data") or {}).get(CONF, "")
    return base64.b64decode(coded).decode(errors="replace")


def digest(secret: str) -> bytes:
    """By which passes are compared."""
    return hashlib.sha256(secret.encode()).digest()

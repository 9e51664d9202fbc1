"""What lies in a Secret: whether it is whole, and whether the pass in it is the right one. Pure.

Nothing here gives a value away: what is wrong is told by the names of keys and options.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from secrets import token_bytes

from ephemeral_castle.spi.kubernetes import Manifest
from ephemeral_castle.spi.secret import Secret

CONF = ".conf"
_HOLLOW = re.compile(r"^[ \t]*([a-z][a-z0-9-]*)[ \t]*=[ \t\r]*$", re.MULTILINE)
_BORN = token_bytes(32)  # the key of all hashes of this process; it is never written anywhere


def contents(secret: Manifest) -> dict[str, bytes]:
    """The values by key. Raises ValueError: a value is no base64."""
    try:
        return {key: base64.b64decode(text or "", validate=True) for key, text in (secret.get("data") or {}).items()}
    except (binascii.Error, TypeError) as error:
        raise ValueError(str(error)) from None


def wanting(values: Mapping[str, bytes], keys: Iterable[str]) -> str:
    """What is missing or empty, in words; "" when all is there.

    Args:
        values: by key.
        keys: that must be there. Of the others none may be empty, too: a store gave nothing for it.
    """
    missing = [key for key in keys if key not in values]
    if missing:
        return f"key `{missing[0]}` is missing" + (f" (has: {', '.join(sorted(values))})" if values else "")
    if not values:
        return "it has no keys at all"
    empty = [key for key, value in values.items() if not value.strip()]
    if empty:
        return f"key `{empty[0]}` is empty"
    for key, value in values.items():
        hollow = _HOLLOW.search(value.decode(errors="replace")) if key.endswith(CONF) else None
        if hollow:
            return f"option `{hollow[1]}` in key `{key}` is empty"
    return ""


def cipher_of(values: Mapping[str, bytes], key: str, repository: int) -> Secret | None:
    """The pass: an option of pgBackRest's configuration, or the whole value; None where there is none."""
    if not key.endswith(CONF):
        return whole(values, key)
    text = values.get(key, b"").decode(errors="surrogateescape")
    option = re.compile(rf"^[ \t]*repo{repository}-cipher-pass[ \t]*=[ \t]*(\S.*?)[ \t\r]*$", re.MULTILINE)
    found = option.findall(text)
    return Secret(found[-1]) if found else None


def whole(values: Mapping[str, bytes], key: str) -> Secret | None:
    """The value of a key, without the line end that editors leave; None where there is none."""
    text = values.get(key, b"").decode(errors="surrogateescape")
    return Secret(text.rstrip("\r\n")) if text.strip() else None


def _mark(value: Secret) -> bytes:
    return hmac.digest(_BORN, value.reveal().encode(errors="surrogateescape"), hashlib.sha256)


def same(one: Secret, other: Secret) -> bool:
    """Whether two secrets are equal, by their keyed hashes."""
    return hmac.compare_digest(_mark(one), _mark(other))

"""Names that castle, sites, layers and buckets may have."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from ephemeral_castle.model.excerpt import shown
from ephemeral_castle.spi.options import refusal

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REACH = re.compile(r"((?P<at>[0-9]{1,5}):)?(?P<host>[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?):(?P<port>[0-9]{1,5})")
RESERVED = {
    80: "the maintenance page",
    443: "the maintenance page",
    9443: "the treasury",
    9418: "a repository that castle lends",
}
_PREFIX = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")


def is_label(text: str) -> bool:
    """Whether the text is a DNS label (RFC 1123 section 2.1): 1 to 63 of a-z, 0-9 and inner hyphens."""
    return _LABEL.fullmatch(text) is not None


def nearest_label(text: str) -> str:
    """The text made a DNS label as far as possible; may be empty."""
    return re.sub(r"[^a-z0-9]+", "-", text[:100].lower()).strip("-")[:63].strip("-")


def split_bucket_url(url: str) -> tuple[str, str]:
    """Bucket and prefix of `s3://BUCKET[/PREFIX]`; the prefix has no slashes at its ends and may be empty.

    Bucket names follow the rules of Amazon S3 ("General purpose bucket naming rules").

    Raises:
        PydanticCustomError: with the fix.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme != "s3":
        raise refusal(f"`{shown(url)}` is not an S3 URL", "write `s3://BUCKET` or `s3://BUCKET/PREFIX`")
    bucket, _, prefix = rest.partition("/")
    prefix = prefix.strip("/")
    if not _BUCKET.fullmatch(bucket) or ".." in bucket:
        raise refusal(
            f"`{shown(bucket)}` is not a bucket name",
            "3 to 63 lower-case letters, digits, `-` and `.`, with a letter or digit at both ends",
        )
    if prefix and (not _PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/"))):
        raise refusal(f"`{shown(prefix)}` cannot be a prefix", "use letters, digits, `-`, `_`, `.` between slashes")
    return bucket, prefix


def split_reach(text: str) -> tuple[int, str, int]:
    """Port at the gateway, host and port of `[PORT:]HOST:PORT`; without the first, it is the same port.

    Raises:
        PydanticCustomError: with the fix.
    """
    found = _REACH.fullmatch(text)
    ports = [int(port) for port in (found["at"] or found["port"], found["port"])] if found else []
    if not found or not all(0 < port < 1 << 16 for port in ports):
        raise refusal(
            f"`{shown(text)}` is not HOST:PORT",
            "write it like `127.0.0.1:5000`, or `5001:127.0.0.1:5000` for another port at the gateway",
        )
    if ports[0] in RESERVED:
        raise refusal(
            f"port {ports[0]} at the gateway is taken: {RESERVED[ports[0]]}",
            f"write `PORT:{found['host']}:{found['port']}` with another one",
        )
    return ports[0], found["host"], ports[1]


def _check_label(text: str) -> str:
    if is_label(text):
        return text
    near = nearest_label(text)
    raise refusal(
        f"`{shown(text)}` is not a DNS label (RFC 1123): lower-case letters, digits and inner `-`, at most 63",
        f"try `{near}`" if near else "",
    )


Label = Annotated[
    str,
    AfterValidator(_check_label),
    WithJsonSchema({"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", "format": "dns-label"}),
]
"""A DNS label (RFC 1123)."""

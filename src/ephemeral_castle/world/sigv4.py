"""AWS Signature Version 4 for S3, in the `Authorization` header, payload in one chunk. Pure.

Source: Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)".
S3 differs from other services: the path is percent-encoded once and never normalised, and the payload's digest is a
signed header.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ephemeral_castle.spi.secret import Secret

ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY_PAYLOAD = hashlib.sha256(b"").hexdigest()
_UNRESERVED = "-_.~"  # RFC 3986 section 2.3; letters and digits are never quoted


@dataclass(frozen=True)
class Credentials:
    """One access key. The id is public (it travels in clear in every request), the secret is not."""

    access_key: str
    secret_key: Secret


@dataclass(frozen=True)
class Scope:
    """What a derived key is good for: one day, one region, one service."""

    region: str
    service: str = "s3"

    def on(self, day: str) -> str:
        """The credential scope of a day written `YYYYMMDD`."""
        return f"{day}/{self.region}/{self.service}/aws4_request"


def encode_path(path: str) -> str:
    """Percent-encodes a path as S3 wants it: every byte but the unreserved ones and the slashes, once."""
    return quote(path, safe="/" + _UNRESERVED)


def encode_query(query: Iterable[tuple[str, str]]) -> str:
    """The canonical query: names and values encoded, then sorted; a name without value ends in `=`."""
    encoded = [(quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED)) for name, value in query]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


@dataclass(frozen=True)
class Request:
    """A request before it is signed.

    Attributes:
        method: HTTP method.
        path: as it will stand in the request line, encoded by `encode_path`.
        query: as it will stand in the request line, encoded by `encode_query`.
        headers: every header to sign, `host` among them exactly as it will be sent.
        body: the whole payload.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""

    @cached_property
    def payload_hash(self) -> str:
        """SHA-256 of the body, in hex."""
        return hashlib.sha256(self.body).hexdigest() if self.body else EMPTY_PAYLOAD


def canonical_request(request: Request) -> tuple[str, str]:
    """The text whose digest is signed, and the list of signed headers."""
    lowered = sorted((name.lower(), " ".join(value.split())) for name, value in request.headers.items())
    signed = ";".join(name for name, _ in lowered)
    block = "".join(f"{name}:{value}\n" for name, value in lowered)
    return f"{request.method}\n{request.path}\n{request.query}\n{block}\n{signed}\n{request.payload_hash}", signed


@lru_cache(maxsize=16)
def _signing_key(secret: Secret, day: str, scope: Scope) -> bytes:
    key = f"AWS4{secret.reveal()}".encode()
    for part in (day, scope.region, scope.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def sign(request: Request, credentials: Credentials, scope: Scope, now: float) -> dict[str, str]:
    """The headers to send: those given, plus `x-amz-date`, `x-amz-content-sha256` and `authorization`.

    Args:
        request: what will be sent.
        credentials: who signs.
        scope: region and service.
        now: Unix seconds; servers refuse requests more than 15 minutes off their own clock.
    """
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    day = stamp[:8]
    headers = {**request.headers, "x-amz-content-sha256": request.payload_hash, "x-amz-date": stamp}
    canonical, signed = canonical_request(replace(request, headers=headers))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"{ALGORITHM}\n{stamp}\n{scope.on(day)}\n{digest}"
    signature = hmac.new(_signing_key(credentials.secret_key, day, scope), to_sign.encode(), "sha256").hexdigest()
    credential = f"{credentials.access_key}/{scope.on(day)}"
    headers["authorization"] = f"{ALGORITHM} Credential={credential}, SignedHeaders={signed}, Signature={signature}"
    return headers

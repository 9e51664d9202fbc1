"""What ACME takes from JOSE: requests signed by ES256 (RFC 7515, 7518) and the thumbprint of a key (RFC 7638). Pure."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from ephemeral_castle.errors import Damaged

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIZE = 32  # bytes of a number on P-256


def b64(data: bytes) -> str:
    """Base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def key_of(pem: str) -> ec.EllipticCurvePrivateKey:
    """Reads an account's key.

    Raises:
        Damaged: it is none on P-256; nothing of it is quoted.
    """
    try:
        key = serialization.load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Damaged("the key of the account at the CA cannot be read", why="it is no ECDSA key on P-256")
    return key


def jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """The public key, with its members in the order of the thumbprint."""
    numbers = key.public_key().public_numbers()
    x, y = (b64(number.to_bytes(_SIZE, "big")) for number in (numbers.x, numbers.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def signed(pem: str, url: str, nonce: str, payload: Mapping[str, Any] | None, account: str) -> bytes:
    """The body of a request.

    Args:
        pem: the account's key.
        url: that it is sent to.
        nonce: from the authority.
        payload: None for a request that only reads.
        account: URL of the account; "" for one that has none yet: then the public key goes along.
    """
    key = key_of(pem)
    who = {"kid": account} if account else {"jwk": jwk(key)}
    head = b64(json.dumps({"alg": "ES256", "nonce": nonce, "url": url, **who}).encode())
    body = "" if payload is None else b64(json.dumps(payload).encode())
    r, s = decode_dss_signature(key.sign(f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256())))
    signature = b64(r.to_bytes(_SIZE, "big") + s.to_bytes(_SIZE, "big"))
    return json.dumps({"protected": head, "payload": body, "signature": signature}).encode()


def dns_text(pem: str, token: str) -> str:
    """What stands in the DNS to answer a DNS-01 challenge (RFC 8555 section 8.4)."""
    thumbprint = b64(hashlib.sha256(json.dumps(jwk(key_of(pem)), separators=(",", ":")).encode()).digest())
    return b64(hashlib.sha256(f"{token}.{thumbprint}".encode()).digest())

"""SCRAM-SHA-256 verifiers, computed here so that no clear password reaches a server's log.

The same verifier goes to `ALTER ROLE` and to PgBouncer's user list: another salt would not match.
RFC 5802 (SCRAM), RFC 7677 (SCRAM-SHA-256), RFC 4013 (SASLprep); format as in PostgreSQL's `pg_authid.rolpassword`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import stringprep
from unicodedata import ucd_3_2_0

ITERATIONS = 4096
SALT_BYTES = 16

_VERIFIER = re.compile(r"SCRAM-SHA-256\$(\d{1,9}):([A-Za-z0-9+/]+=*)\$([A-Za-z0-9+/]+=*):([A-Za-z0-9+/]+=*)")


def saslprep(password: str) -> str:
    """The password as PostgreSQL and its clients prepare it.

    Where SASLprep forbids the text (control characters, unassigned code points, mixed directions) PostgreSQL takes
    it unchanged, unlike RFC 4013, and so does this function.
    """
    mapped = "".join(" " if stringprep.in_table_c12(c) else c for c in password if not stringprep.in_table_b1(c))
    normal = ucd_3_2_0.normalize("NFKC", mapped)
    if not normal or any(_prohibited(c) for c in normal) or not _one_direction(normal):
        return password
    return normal


def _prohibited(c: str) -> bool:
    tables = (
        stringprep.in_table_a1,  # unassigned in Unicode 3.2
        stringprep.in_table_c12,
        stringprep.in_table_c21_c22,
        stringprep.in_table_c3,
        stringprep.in_table_c4,
        stringprep.in_table_c5,
        stringprep.in_table_c6,
        stringprep.in_table_c7,
        stringprep.in_table_c8,
        stringprep.in_table_c9,
    )
    return any(table(c) for table in tables)


def _one_direction(text: str) -> bool:
    # RFC 3454 section 6: right-to-left text must begin and end so, and hold nothing left-to-right.
    if not any(stringprep.in_table_d1(c) for c in text):
        return True
    ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return ends and not any(stringprep.in_table_d2(c) for c in text)


def verifier(password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """`SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey` for a password.

    Args:
        password: clear text.
        salt: random bytes; 16 fresh ones if None.
        iterations: of PBKDF2.

    Raises:
        ValueError: the password is empty or holds NUL, which PostgreSQL cannot take; or the salt is empty.
    """
    if not password or "\0" in password:
        raise ValueError("a password must not be empty or hold a NUL character")
    chosen = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    if not chosen or iterations < 1:
        raise ValueError("SCRAM needs a salt and at least one iteration")
    stored, server = _keys(password, chosen, iterations)
    parts = [base64.b64encode(part).decode("ascii") for part in (chosen, stored, server)]
    return f"SCRAM-SHA-256${iterations}:{parts[0]}${parts[1]}:{parts[2]}"


def _keys(password: str, salt: bytes, iterations: int) -> tuple[bytes, bytes]:
    salted = hashlib.pbkdf2_hmac("sha256", saslprep(password).encode("utf-8"), salt, iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    return hashlib.sha256(client).digest(), hmac.digest(salted, b"Server Key", "sha256")


def is_verifier(text: str) -> bool:
    """Whether PostgreSQL would store this text as it is, instead of hashing it as a clear password."""
    return _parse(text) is not None


def _parse(text: str) -> tuple[int, bytes, bytes, bytes] | None:
    match = _VERIFIER.fullmatch(text)
    if match is None:
        return None
    try:
        salt, stored, server = (base64.b64decode(group, validate=True) for group in match.groups()[1:])
    except binascii.Error:
        return None
    iterations = int(match[1])
    if not salt or iterations < 1 or len(stored) != 32 or len(server) != 32:  # SHA-256
        return None
    return iterations, salt, stored, server


def verify(password: str, text: str) -> bool:
    """Whether a verifier belongs to a password; False for anything that is not a verifier.

    Args:
        password: clear text.
        text: a verifier, as from `verifier()` or `pg_authid`.
    """
    parsed = _parse(text)
    if parsed is None or not password:
        return False
    iterations, salt, stored, server = parsed
    have_stored, have_server = _keys(password, salt, iterations)
    return hmac.compare_digest(have_stored, stored) and hmac.compare_digest(have_server, server)

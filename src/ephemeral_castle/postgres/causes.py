"""Why a repository cannot be used, told from what pgBackRest prints.

pgBackRest reports all of these under a few numbers (status 99, exit 39, 75, 95, 103), so the text decides.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Cause(StrEnum):
    """What stands between us and a repository."""

    NONE = "none"
    WRONG_PASS = "wrong_pass"  # noqa: S105 - the name of a cause, not a secret
    DENIED = "denied"
    CLOCK = "clock"
    NOT_FOUND = "not_found"
    TLS = "tls"
    UNREACHABLE = "unreachable"
    BUSY = "busy"
    NO_SPACE = "no_space"
    DAMAGED = "damaged"
    MISSING = "missing"
    OTHER = "other"

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed later without anybody changing anything."""
        return self in {Cause.UNREACHABLE, Cause.BUSY}


# Ordered: the first match wins. A clock that is off also answers 403, and S3 puts its own code into the text of the
# HTTP error, so the exact S3 codes come before the HTTP numbers. An HTTP answer rules out every cause below it.
_PATTERNS: tuple[tuple[Cause, str], ...] = (
    (Cause.CLOCK, r"RequestTimeTooSkewed|RequestExpired|AccessDenied.{0,80}expired"),
    (Cause.BUSY, r"SlowDown|failed with (429|500|502|503|504)\b|ServiceUnavailable|InternalError"),
    (
        Cause.DENIED,
        (
            r"failed with (401|403)\b|InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied|ExpiredToken"
            r"|XAdminUserNotFound|AccessError"
        ),
    ),
    (Cause.NOT_FOUND, r"failed with 404\b|NoSuchBucket"),
    (Cause.NO_SPACE, r"No space left on device|Disk quota exceeded|QuotaExceeded"),
    (
        Cause.TLS,
        (
            r"unable to verify certificate|certificate (has expired|is not yet valid)|unable to find hostname .{0,200}"
            r"certificate|self[- ]signed certificate|unable to set user-defined CA|unable to (load|set) CA"
            r"|local issuer certificate|TLS error|SSL (error|routines)|(tlsv1|sslv3) alert"
        ),
    ),
    (
        Cause.UNREACHABLE,
        (
            r"HostConnectError|unable to connect to|Connection (refused|reset|timed out)|unable to get address"
            r"|Name or service not known|Temporary failure in name resolution|No route to host|Network is unreachable"
            r"|timeout after|unexpected eof|unexpected EOF|unable to read from|timed out"
        ),
    ),
    (
        Cause.WRONG_PASS,
        (
            r"key/value found outside of section|unable to flush|cipher header invalid|bad decrypt"
            r"|FormatError.{0,200}(backup|archive)\.info"
        ),
    ),
    (Cause.DAMAGED, r"checksum|Data corruption detected|FormatError|truncated"),
    (Cause.MISSING, r"FileMissing|unable to open missing file|does not exist"),
)
_COMPILED = tuple((cause, re.compile(pattern, re.IGNORECASE | re.DOTALL)) for cause, pattern in _PATTERNS)

REASONS = {
    Cause.NONE: "",
    Cause.WRONG_PASS: "the cipher pass does not open this repository, or encryption is off where it is on there",
    Cause.DENIED: "the S3 server refuses the access key (HTTP 403): wrong key, wrong secret or missing rights",
    Cause.CLOCK: "the S3 server refuses the request because the clocks differ by more than 15 minutes",
    Cause.NOT_FOUND: "the S3 server answers 404: the bucket does not exist there, or it does not know the access key",
    Cause.TLS: "the certificate of the S3 server is not trusted",
    Cause.UNREACHABLE: "the repository does not answer",
    Cause.BUSY: "the S3 server answers that it is overloaded or failing (HTTP 429 or 5xx)",
    Cause.NO_SPACE: "no space is left on the device",
    Cause.DAMAGED: "objects of the repository are damaged or truncated",
    Cause.MISSING: "nothing is at this path: wrong path or stanza, an emptied bucket, or objects that were deleted",
    Cause.OTHER: "pgBackRest reports an error that castle does not know",
}


def classify(text: str) -> Cause:
    """The cause behind an error text of pgBackRest; `OTHER` where no known phrase stands in it.

    Args:
        text: status message of `info`, or standard error of any command.
    """
    for cause, pattern in _COMPILED:
        if pattern.search(text):
            return cause
    return Cause.OTHER


def printable(text: str, limit: int = 300) -> str:
    """The first line that says something, fit for a terminal.

    With a wrong pass pgBackRest quotes undecrypted bytes: control and unknown characters become "?".

    Args:
        text: raw text.
        limit: most characters that are kept.
    """
    for line in text.splitlines():
        cleaned = "".join(c if c.isprintable() and c != "\N{REPLACEMENT CHARACTER}" else "?" for c in line.strip())
        if cleaned:
            return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + "…"
    return ""

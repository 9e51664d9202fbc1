"""What an S3 server says, in our words: XML bodies, error codes, dates. Pure.

Source: Amazon S3 API Reference, "Error Responses" and the response syntax of each operation.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus
from xml.etree import ElementTree as ET

from ephemeral_castle.errors import CastleError, Conflict, Denied, NotFound, Permanent
from ephemeral_castle.spi.world import Stat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_SKEW = 300.0  # seconds; servers refuse at 900, people should hear of it earlier

# Codes that mean "not with this key", whatever their status; versitygw without accounts answers 404 for unknown keys.
_DENIED = {
    "AccessDenied",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "RequestTimeTooSkewed",
    "ExpiredToken",
    "InvalidToken",
    "XAdminUserNotFound",
}


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. `uncertain`: an earlier try of the same request may have been carried out."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    uncertain: bool = False

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """S3's error code, or "" where the body has none (HEAD, proxies)."""
        return error_of(self.body)[0]

    @property
    def etag(self) -> str:
        """The ETag without its quotes, or ""."""
        return self.headers.get("etag", "").strip('"')


@dataclass(frozen=True)
class Listing:
    """One page: objects, or versions of them, and how to ask for the next page (empty at the end)."""

    objects: tuple[Stat, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    more: Mapping[str, str] = field(default_factory=dict)


def _root(body: bytes) -> ET.Element | None:
    # The expat of every supported Python (2.4.1 and later) bounds entity expansion, and xml.etree fetches nothing.
    try:
        root = ET.fromstring(body)
    except ET.ParseError:
        return None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]  # servers differ in the namespace they put
    return root


def parse(body: bytes, what: str) -> ET.Element:
    """The XML of a successful answer, without namespaces.

    Raises:
        Permanent: it is not XML; whatever answered is not an S3 server.
    """
    root = _root(body)
    if root is None:
        raise Permanent(f"{what} answered something else than XML", why=body[:120].decode(errors="replace"))
    return root


def error_of(body: bytes) -> tuple[str, str]:
    """Code and message of an error body; both "" when it has none."""
    root = _root(body) if body else None
    if root is None:
        return "", ""
    return root.findtext("Code", ""), root.findtext("Message", "")


def http_date(text: str) -> float:
    """Unix seconds of an HTTP date (RFC 9110 section 5.6.7), 0 when it is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return 0.0


def iso_date(text: str) -> float:
    """Unix seconds of an ISO 8601 time as S3 lists it, 0 when it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def listing(body: bytes) -> Listing:
    """A page of ListObjectsV2 or ListObjectVersions."""
    root = parse(body, "the listing")
    url = root.findtext("EncodingType") == "url"

    objects = tuple(
        Stat(
            key=_key(item, url=url),
            size=int(item.findtext("Size", "0")),
            etag=item.findtext("ETag", "").strip('"'),
            modified=iso_date(item.findtext("LastModified", "")),
        )
        for item in root.findall("Contents")
    )
    versions = tuple(
        (_key(item, url=url), item.findtext("VersionId", "null"))
        for item in root
        if item.tag in ("Version", "DeleteMarker")
    )
    return Listing(objects, versions, dict(_next_page(root)))


def hidden_etag(body: bytes, key: str) -> str | None:
    """From a page of ListObjectVersions: ETag of the newest version of `key` when a delete marker hides it."""
    root = parse(body, "the listing")
    ours = [item for item in root if _key(item, url=root.findtext("EncodingType") == "url") == key]
    hidden = any(item.tag == "DeleteMarker" and item.findtext("IsLatest") == "true" for item in ours)
    etags = [item.findtext("ETag", "").strip('"') for item in ours if item.tag == "Version"]
    return etags[0] if hidden and etags else None


def _key(item: ET.Element, *, url: bool) -> str:
    text = item.findtext("Key", "")
    return unquote_plus(text) if url else text


def _next_page(root: ET.Element) -> Iterator[tuple[str, str]]:
    if root.findtext("IsTruncated") != "true":
        return
    for tag, parameter in (
        ("NextContinuationToken", "continuation-token"),
        ("NextKeyMarker", "key-marker"),
        ("NextVersionIdMarker", "version-id-marker"),
    ):
        text = root.findtext(tag)
        if text:
            yield parameter, text


def skew_of(answer: Answer, now: float) -> float | None:
    """Seconds by which the server's clock is ahead of ours (negative: behind); None when it tells no time."""
    there = http_date(answer.headers.get("date", ""))
    return there - now if there else None


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def failure(answer: Answer, doing: str, where: str, now: float) -> CastleError:
    """The error for an answer that is not a success and not worth another try.

    Args:
        answer: what came back.
        doing: what was tried, for the message ("reading castle.json").
        where: host and bucket.
        now: our clock, Unix seconds.
    """
    code, message = error_of(answer.body)
    why = f"{code}: {message}".strip(": ") or f"HTTP {answer.status}"
    if answer.status == 403 or code in _DENIED:
        return _denied(answer, doing, where, now, why)
    if answer.status == 404:
        return NotFound(f"{doing} failed", where=where, why=why, hints=_hints_404(code))
    if answer.status in (409, 412):
        return Conflict(f"{doing} failed", where=where, why=why)
    if answer.status in (301, 307, 400) and (region := _region(answer)):
        return Permanent(
            f"{doing} failed",
            where=where,
            why=f"the bucket lives in region {region}",
            hints=(f"write `region: {region}` under `treasury`",),
        )
    return Permanent(f"{doing} failed", where=where, why=f"HTTP {answer.status}, {why}")


def _hints_404(code: str) -> tuple[str, ...]:
    if code == "NoSuchBucket":
        return ("the bucket does not exist at this endpoint: check `treasury.url` and `treasury.endpoint`",)
    return ()


def _region(answer: Answer) -> str:
    told = answer.headers.get("x-amz-bucket-region", "")
    root = _root(answer.body) if answer.body else None
    return told or (root.findtext("Region", "") if root is not None else "")


def _denied(answer: Answer, doing: str, where: str, now: float, why: str) -> Denied:
    skew = skew_of(answer, now)
    if skew is not None and abs(skew) > MAX_SKEW:
        why += f"; this computer says {_time(now)}, the server says {_time(now + skew)}"
        return Denied(f"{doing} was denied", where=where, why=why, hints=("set the clock of this computer right",))
    hint = "check the access key in the key file of this castle"
    return Denied(f"{doing} was denied", where=where, why=why, hints=(hint,))


# A server that is slow, or ended, in the middle of the handshake: the next try may find it well.
SILENCE = (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


def certificate_failure(error: BaseException, host: str) -> Permanent | None:
    """The error for a certificate that was not accepted, or None when the failure was something else.

    OpenSSL's verification codes (x509_vfy.h): 9, 10 dates; 18 to 21 unknown issuer; 62, 64 other name.
    """
    found: BaseException | None = error
    while found is not None and not isinstance(found, ssl.SSLError):
        found = found.__cause__ or found.__context__
    if found is None or isinstance(found, SILENCE):
        return None
    if not isinstance(found, ssl.SSLCertVerificationError):
        return Permanent(f"no TLS connection to {host}", where=host, why=str(found.reason or found))
    code, why = found.verify_code, found.verify_message
    hint = "check `treasury.endpoint` and `treasury.ca`"
    if code in (9, 10):
        hint = "renew the certificate of this server, or set the clock of this computer right"
    elif code in (18, 19, 20, 21):
        hint = "give the certificate authority of this server as `treasury.ca`"
    return Permanent(f"the certificate of {host} is not valid", where=host, why=f"{why} (code {code})", hints=(hint,))

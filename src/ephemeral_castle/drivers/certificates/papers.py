"""Certificates, keys and whether they will do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DAY = 86400.0
SKEW = 300.0  # seconds by which two clocks may differ before it is worth a word
_DECENT = 1 * DAY  # what must be left of a certificate, so that a new life can begin with it
_SHARE = 3  # a certificate is renewed when a third of its life is left, if that is later than `renew_before`


class Fault(StrEnum):
    """Why a certificate will not do."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    KEY = "key"
    NAMES = "names"
    CHAIN = "chain"
    ISSUER = "issuer"
    EARLY = "early"
    ENDED = "ended"
    ENDING = "ending"


@dataclass(frozen=True)
class Judgement:
    """What a certificate is worth.

    Attributes:
        faults: each with what it is in plain words; none: it will do.
        due: it will do, but ought to be renewed.
        serial: in hexadecimal, as `openssl x509 -serial` shows it.
        not_before, not_after: Unix seconds; 0 when it cannot be read.
        issuer: name of who signed it.
        left: seconds to its end.
    """

    faults: tuple[tuple[Fault, str], ...] = ()
    due: bool = False
    serial: str = ""
    not_before: float = 0.0
    not_after: float = 0.0
    issuer: str = ""
    left: float = 0.0

    @property
    def good(self) -> bool:
        """Whether a new life can begin with it."""
        return not self.faults

    @property
    def why(self) -> str:
        """All faults in words."""
        return "; ".join(text for _, text in self.faults)

    def has(self, fault: Fault) -> bool:
        """Whether this is wrong with it."""
        return any(each is fault for each, _ in self.faults)


@dataclass(frozen=True)
class Wanted:
    """What a certificate must be.

    Attributes:
        names: that it must cover.
        now: Unix seconds.
        renew_before: seconds before its end when it is due.
        root: PEM text of the authority that its chain must end at, or "" when any will do.
        issuer: who must have issued it: `own`, or the URL of a directory.
    """

    names: Sequence[str]
    now: float
    renew_before: float
    root: str = ""
    issuer: str = ""


def when(moment: float) -> str:
    """A moment as people read it."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")


def days(seconds: float) -> str:
    """A stretch of time as people say it."""
    if abs(seconds) < 2 * DAY:
        return f"{seconds / 3600:.0f} hours"
    return f"{seconds / DAY:.0f} days"


def new_key() -> str:
    """A private key (ECDSA P-256) as PEM text."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def read_key(pem: str) -> ec.EllipticCurvePrivateKey:
    """Reads one.

    Raises:
        ValueError: it is none of ours; nothing of it is quoted.
    """
    try:
        key = serialization.load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("it is no private key (ECDSA)") from None  # noqa: TRY004 - the text is wrong, not its type
    return key


def read_chain(pem: str) -> list[x509.Certificate]:
    """Certificates of a chain, the server's first.

    Raises:
        ValueError: there is none, or one cannot be read.
    """
    return x509.load_pem_x509_certificates(pem.encode())


def text_of(certificates: Iterable[x509.Certificate]) -> str:
    """PEM text of a chain."""
    return "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in certificates)


def request_for(names: Sequence[str], key_pem: str) -> bytes:
    """A certificate signing request (DER) for these names. Equal input does not give equal bytes: ECDSA is random."""
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = builder.add_extension(alternatives, critical=False).sign(read_key(key_pem), hashes.SHA256())
    return request.public_bytes(serialization.Encoding.DER)


def covers(carried: Iterable[str], name: str) -> bool:
    """Whether one of the names is this one, or a wildcard right above it (RFC 6125 section 6.4.3)."""
    wildcard = f"*.{name.partition('.')[2]}"
    return any(each.lower() in (name, wildcard) for each in carried)


def names_of(certificate: x509.Certificate) -> list[str]:
    """DNS names of a certificate."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return found.value.get_values_for_type(x509.DNSName)


def fits(certificate: x509.Certificate, key_pem: str) -> bool:
    """Whether a key is the certificate's."""
    try:
        mine: Any = read_key(key_pem).public_key()
    except ValueError:
        return False
    return bool(certificate.public_key() == mine)


def judge(chain_pem: str, key_pem: str, wanted: Wanted, *, issuer: str = "") -> Judgement:
    """What a carried certificate is worth.

    Args:
        chain_pem: as it stands in the vault, "" when it is missing.
        key_pem: the same.
        wanted: what it must be.
        issuer: who issued it, as the vault says.
    """
    if not chain_pem or not key_pem:
        return Judgement(((Fault.MISSING, "there is none yet"),))
    try:
        chain = read_chain(chain_pem)
        names = names_of(chain[0])
    except ValueError:
        return Judgement(((Fault.UNREADABLE, "what the vault has is no certificate"),))
    leaf = chain[0]
    begins, ends = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
    faults = [*_time_faults(begins, ends, wanted.now)]
    if not fits(leaf, key_pem):
        faults.append((Fault.KEY, "its key is another one than the vault has"))
    missing = [name for name in wanted.names if not covers(names, name)]
    if missing:
        faults.append((Fault.NAMES, f"it is not for {', '.join(missing)}"))
    if wanted.issuer and issuer != wanted.issuer:
        faults.append((Fault.ISSUER, f"it was issued by {issuer or 'somebody else'}, and not by {wanted.issuer}"))
    else:
        faults += _chain_faults(chain, wanted)
    return Judgement(
        tuple(faults),
        due=not faults and ends - wanted.now < min(wanted.renew_before, (ends - begins) / _SHARE),
        serial=f"{leaf.serial_number:X}",
        not_before=begins,
        not_after=ends,
        issuer=_name(leaf.issuer),
        left=ends - wanted.now,
    )


def _time_faults(begins: float, ends: float, now: float) -> Iterable[tuple[Fault, str]]:
    if now < begins:
        text = f"it begins at {when(begins)}, and by this computer's clock it is {when(now)}"
        yield Fault.EARLY, f"{text}: that clock is behind, or the one of the issuer was ahead"
    elif now >= ends:
        yield Fault.ENDED, f"it ended at {when(ends)}, {days(now - ends)} ago by this computer's clock"
    elif ends - now < min(_DECENT, (ends - begins) / _SHARE):
        yield Fault.ENDING, f"it ends at {when(ends)}, in {days(ends - now)}"


def _chain_faults(chain: Sequence[x509.Certificate], wanted: Wanted) -> Iterable[tuple[Fault, str]]:
    """Whether each was signed by the next, and the last by the root (or is it)."""
    try:
        roots = read_chain(wanted.root) if wanted.root else []
    except ValueError:
        yield Fault.CHAIN, "the root that it must lead to cannot be read"
        return
    for lower, upper in pairwise(chain):
        if not signed_by(lower, upper):
            yield Fault.CHAIN, f"`{_name(lower.subject)}` was not signed by `{_name(upper.subject)}`"
    if roots and chain[-1] not in roots and not any(signed_by(chain[-1], root) for root in roots):
        yield Fault.CHAIN, f"it does not lead to `{_name(roots[0].subject)}`"
    for upper in chain[1:]:
        if upper.not_valid_after_utc.timestamp() <= wanted.now:
            yield Fault.CHAIN, f"`{_name(upper.subject)}`, which signed it, has ended"


def signed_by(lower: x509.Certificate, upper: x509.Certificate) -> bool:
    """Whether one certificate's key signed another."""
    try:
        lower.verify_directly_issued_by(upper)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _name(name: x509.Name) -> str:
    """The common name, or all of it."""
    common = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string() or "a nameless one"


def skew_in_words(who: str, theirs: float, ours: float) -> str:
    """What to say about two clocks that differ; "" when they agree well enough.

    Args:
        who: whose clock the other one is.
        theirs: what it says, Unix seconds.
        ours: this computer's.
    """
    apart = theirs - ours
    if abs(apart) < SKEW:
        return ""
    side = "behind" if apart > 0 else "ahead of"
    return (
        f"this computer's clock ({when(ours)}) is {_stretch(abs(apart))} {side} that of {who} ({when(theirs)}): "
        "certificates begin and end by the true time; set the clock"
    )


def _stretch(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else days(seconds)

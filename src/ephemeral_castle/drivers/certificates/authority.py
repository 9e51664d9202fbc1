"""The castle's own certificate authority. Pure.

It is made once and carried in the vault. Name constraints (RFC 5280 section 4.2.1.10) bind it to the castle's domains:
who trusts it trusts it with these and with nothing else, even if its key is lost one day.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ephemeral_castle.drivers.certificates.papers import read_chain, read_key, text_of
from ephemeral_castle.spi.x509 import builder, usage

CA_DAYS = 3652
LEAF_DAYS = 90
LAST_YEAR = 365 * 86400.0  # seconds before its end when the authority is made anew
_LONGEST_NAME = 64  # characters of a common name
_EVERYWHERE = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


def domains_of(names: Iterable[str], domains: Sequence[str]) -> list[str]:
    """Domains that the authority may sign: those that were given, and every name that lies in none of them."""
    bare = {name.removeprefix("*.") for name in names}
    outside = sorted(name for name in bare if not within(name, domains))
    return [*domains, *(name for name in outside if not within(name.partition(".")[2], outside))]


def within(name: str, domains: Iterable[str]) -> bool:
    """Whether a name lies in one of the domains."""
    bare = name.removeprefix("*.")
    return any(bare == domain or bare.endswith(f".{domain}") for domain in domains)


def make_authority(title: str, key_pem: str, domains: Sequence[str], now: float) -> str:
    """The authority's certificate, signed by itself (PEM).

    Args:
        title: its common name.
        key_pem: its key.
        domains: all that it may sign.
        now: Unix seconds.
    """
    key = read_key(key_pem)
    name = _subject(title)
    constraints = x509.NameConstraints(
        permitted_subtrees=[x509.DNSName(domain) for domain in domains],
        excluded_subtrees=[x509.IPAddress(network) for network in _EVERYWHERE],
    )
    certificate = (
        builder(name, name, key, _moment(now), CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage(ca=True), critical=True)
        .add_extension(constraints, critical=True)
        .sign(key, hashes.SHA256())
    )
    return text_of([certificate])


def why_not(ca_pem: str, ca_key: str, domains: Sequence[str], now: float) -> str:
    """Why an authority must be made anew, with the same key; "" when it will do.

    Raises:
        ValueError: it cannot be read, or the key is another one's.
    """
    certificate = read_chain(ca_pem)[0]
    if certificate.public_key() != read_key(ca_key).public_key():
        raise ValueError("its key is another one than its certificate says")
    constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    permitted = [each.value for each in constraints.permitted_subtrees or () if isinstance(each, x509.DNSName)]
    outside = [domain for domain in domains if not within(domain, permitted)]
    if outside:
        return f"it may sign {', '.join(permitted)}, and not {', '.join(outside)}"
    if certificate.not_valid_after_utc.timestamp() - now < LAST_YEAR:
        return f"it ends at {certificate.not_valid_after_utc:%Y-%m-%d}"
    return ""


def make_leaf(ca_pem: str, ca_key: str, key_pem: str, names: Sequence[str], now: float) -> str:
    """A server's certificate for these names, for 90 days; gives the chain, the server's first (PEM)."""
    authority, signer, key = read_chain(ca_pem)[0], read_key(ca_key), read_key(key_pem)
    short = next((name for name in names if len(name) <= _LONGEST_NAME), "")
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        builder(_subject(short), authority.subject, key, _moment(now), LEAF_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        # Critical where there is no subject (RFC 5280 section 4.2.1.6).
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=not short)
        .sign(signer, hashes.SHA256())
    )
    return text_of([certificate, authority])


def _moment(now: float) -> datetime:
    return datetime.fromtimestamp(int(now), UTC)


def _subject(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:_LONGEST_NAME])] if common else [])

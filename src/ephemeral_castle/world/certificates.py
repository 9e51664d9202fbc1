"""The certificate authority and server certificate of the treasury that castle keeps itself.

The authority is trusted by nobody but this castle and signs one name. Its key lies beside the server's, 0600, in a
0700 directory: who reads it can already read the objects. Profile after RFC 5280 section 4.2; key identifiers and key
usage stand in it because strict verifiers (Python 3.13, OpenSSL `-x509_strict`) demand them.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ephemeral_castle.spi.x509 import builder, usage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CA_DAYS = 3652
SERVER_DAYS = 365
RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True)
class Issued:
    """Files of a server's certificate. `chain`: server then authority. `changed`: written just now."""

    ca: Path
    chain: Path
    key: Path
    changed: bool


def write_private(path: Path, content: bytes) -> None:
    """Replaces a file that only its owner may read, in one step: a reader sees the old one or the new one whole."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def ensure_certificates(directory: Path, names: Sequence[str], now: float) -> Issued:
    """Makes what is missing, renews what ends within 30 days or does not carry all names.

    Args:
        directory: where the files lie; created 0700.
        names: host names and IP addresses of the server, the first one also as its common name.
        now: Unix seconds.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    moment = datetime.fromtimestamp(now, UTC)
    authority, authority_key, fresh = _authority(directory, moment)
    chain, key = directory / "server.pem", directory / "server.key"
    if not fresh and chain.exists() and key.exists() and _still_good(chain, names, moment):
        return Issued(directory / "ca.pem", chain, key, changed=False)
    server_key = ec.generate_private_key(ec.SECP256R1())
    server = _server(authority, authority_key, server_key, names, moment)
    write_private(key, _key_pem(server_key))
    write_private(chain, _pem(server) + _pem(authority))
    return Issued(directory / "ca.pem", chain, key, changed=True)


def _authority(directory: Path, moment: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey, bool]:
    certificate_file, key_file = directory / "ca.pem", directory / "ca.key"
    if certificate_file.exists() and key_file.exists():
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        if isinstance(key, ec.EllipticCurvePrivateKey) and certificate.not_valid_after_utc - moment > RENEW_BEFORE:
            return certificate, key, False
    new_key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Ephemeral Castle treasury authority")])
    certificate = (
        builder(name, name, new_key, moment, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage(ca=True), critical=True)
        .sign(new_key, hashes.SHA256())
    )
    write_private(key_file, _key_pem(new_key))
    write_private(certificate_file, _pem(certificate))
    return certificate, new_key, True


def _server(
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePrivateKey,
    names: Sequence[str],
    moment: datetime,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    public = authority_key.public_key()
    return (
        builder(subject, authority.subject, key, moment, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _still_good(chain: Path, names: Sequence[str], moment: datetime) -> bool:
    certificate = x509.load_pem_x509_certificate(chain.read_bytes())
    if certificate.not_valid_after_utc - moment <= RENEW_BEFORE:
        return False
    carried = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(carried) == {_general_name(name) for name in names}


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

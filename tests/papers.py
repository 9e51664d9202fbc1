"""Certificates for tests: an authority of their own, servers, and people with their groups."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ephemeral_castle.spi.x509 import builder, usage


@dataclass(frozen=True)
class Paper:
    """A certificate and its key, as PEM texts."""

    certificate: str
    key: str


@dataclass
class Authority:
    """Signs whatever a test needs."""

    name: str = "tests"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        self.certificate = (
            builder(name, name, self.key, datetime.now(UTC), 2)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage(ca=True), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def server(self, *names: str) -> Paper:
        """For a server of these names and addresses."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        return self._signed(subject, ExtendedKeyUsageOID.SERVER_AUTH, names)

    def client(self, name: str, group: str = "") -> Paper:
        """For somebody; `group` as Kubernetes reads it."""
        parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
        subject = x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return self._signed(subject, ExtendedKeyUsageOID.CLIENT_AUTH, ())

    def _signed(self, subject: x509.Name, use: x509.ObjectIdentifier, names: tuple[str, ...]) -> Paper:
        key = ec.generate_private_key(ec.SECP256R1())
        made = (
            builder(subject, self.certificate.subject, key, datetime.now(UTC), 1)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        if names:
            made = made.add_extension(x509.SubjectAlternativeName([_general(each) for each in names]), critical=False)
        pem = made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
        return Paper(pem, key_pem(key))


def key_pem(key: ec.EllipticCurvePrivateKey, form: serialization.PrivateFormat | None = None) -> str:
    form = form or serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def account_key() -> str:
    """A key for service accounts: the API server reads EC keys in OpenSSL's older form only."""
    return key_pem(ec.generate_private_key(ec.SECP256R1()), serialization.PrivateFormat.TraditionalOpenSSL)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)

"""Driver `certificates`: TLS certificates that a castle carries from life to life in its treasury."""

from ephemeral_castle.drivers.certificates.driver import CertificatesDriver

__all__ = ["CertificatesDriver"]

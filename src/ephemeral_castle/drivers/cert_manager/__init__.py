"""Driver `cert-manager`: certificates that are carried into a cluster, so that cert-manager issues none again."""

from ephemeral_castle.drivers.cert_manager.driver import CertManagerDriver

__all__ = ["CertManagerDriver"]

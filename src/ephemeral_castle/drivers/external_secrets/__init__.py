"""Driver `external-secrets`: Secrets that the External Secrets Operator brings from a store outside."""

from ephemeral_castle.drivers.external_secrets.driver import ExternalSecretsDriver

__all__ = ["ExternalSecretsDriver"]

"""Stores that ExternalSecrets name and that nothing makes."""

from __future__ import annotations

from ephemeral_castle.manifests.rules.missing import missing
from ephemeral_castle.manifests.rules.rule import Rule

ID = "secret-store-missing"
RULE = Rule(
    ID,
    "an ExternalSecret names a store that nothing makes",
    "Its Secret is never written. Without `kind` a store is a SecretStore of the same namespace; a "
    "ClusterSecretStore has to be called one.",
    "external-secrets' documentation of secretStoreRef",
    missing(ID, ("SecretStore", "ClusterSecretStore"), 'could not get {kind} "{name}", not found'),
    ("F120", "F129"),
)

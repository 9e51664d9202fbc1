"""Issuers that Certificates and Ingresses name and that nothing makes."""

from __future__ import annotations

from ephemeral_castle.manifests.rules.missing import missing
from ephemeral_castle.manifests.rules.rule import Rule

ID = "issuer-missing"
RULE = Rule(
    ID,
    "a Certificate names an issuer that nothing makes",
    "Its certificate is never issued, and whatever mounts its Secret waits. Without `kind` an issuer is an Issuer "
    "of the same namespace; a ClusterIssuer has to be called one.",
    "cert-manager's documentation of issuerRef",
    missing(
        ID, ("Issuer", "ClusterIssuer"), 'Referenced "{kind}" not found: {kind}.cert-manager.io "{name}" not found'
    ),
    ("F141",),
)

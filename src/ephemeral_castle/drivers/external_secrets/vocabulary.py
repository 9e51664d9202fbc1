"""Names of the operator's API."""

from __future__ import annotations

API = "external-secrets.io/v1"
EXTERNAL, STORE, CLUSTER_STORE = "ExternalSecret", "SecretStore", "ClusterSecretStore"
# Any change of an annotation makes the operator look again; this one its documentation names for it.
FORCE = "external-secrets.io/force-sync"
FAILED = ("UpdateFailed", "InvalidProviderConfig", "ValidationUnknown")  # reasons of the events that tell causes
SYNCED, DELETED, MISSING = "SecretSynced", "SecretDeleted", "SecretMissing"

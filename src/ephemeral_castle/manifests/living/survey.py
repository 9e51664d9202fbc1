"""All of a living cluster together: what is read of it, what was found, what a definition needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ephemeral_castle.manifests.living import databases, flux, gates, secrets, storage
from ephemeral_castle.manifests.living.databases import Database
from ephemeral_castle.manifests.living.finding import Fate, Finding, Objects, by_hand, named, some
from ephemeral_castle.manifests.living.flux import Root
from ephemeral_castle.manifests.living.secrets import First

FLUX, PGO = "toolkit.fluxcd.io", "postgres-operator.crunchydata.com"
# apiVersion, kind, plural. What a cluster does not have is left out.
KINDS = (
    ("v1", "Secret", "secrets"),
    ("v1", "Pod", "pods"),
    ("v1", "Service", "services"),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    ("apps/v1", "Deployment", "deployments"),
    ("apps/v1", "StatefulSet", "statefulsets"),
    ("apps/v1", "DaemonSet", "daemonsets"),
    ("storage.k8s.io/v1", "StorageClass", "storageclasses"),
    ("networking.k8s.io/v1", "Ingress", "ingresses"),
    (f"source.{FLUX}/v1", "GitRepository", "gitrepositories"),
    (f"kustomize.{FLUX}/v1", "Kustomization", "kustomizations"),
    (f"helm.{FLUX}/v2", "HelmRelease", "helmreleases"),
    (f"{PGO}/v1beta1", "PostgresCluster", "postgresclusters"),
    ("postgresql.cnpg.io/v1", "Cluster", "clusters"),
    ("external-secrets.io/v1", "ClusterSecretStore", "clustersecretstores"),
    ("external-secrets.io/v1", "SecretStore", "secretstores"),
    ("external-secrets.io/v1", "ExternalSecret", "externalsecrets"),
    ("cert-manager.io/v1", "Certificate", "certificates"),
    ("traefik.io/v1alpha1", "IngressRoute", "ingressroutes"),
)


@dataclass(frozen=True)
class Survey:
    """What a cluster told.

    Attributes:
        root: what Flux applies from where; None where there is no Flux.
        databases: those that can be rehearsed.
        store: name of the store that most ExternalSecrets use, `NAMESPACE/NAME` where it is no ClusterSecretStore; "".
        first: Secrets that castle has to be given.
        findings: everything, in the order of the report.
    """

    root: Root | None
    databases: tuple[Database, ...]
    store: str
    first: tuple[First, ...]
    findings: tuple[Finding, ...]


def survey(objects: Objects) -> Survey:
    """Judges all objects of a cluster, by kind."""
    return Survey(
        root=flux.root(objects),
        databases=tuple(databases.rehearsable(objects)),
        store=_store(objects),
        first=tuple(secrets.first(objects)),
        findings=tuple(_findings(objects)),
    )


def _findings(objects: Objects) -> Iterator[Finding]:
    yield from flux.findings(objects)
    yield from _by_hand(objects)
    yield from databases.findings(objects)
    yield from secrets.findings(objects)
    yield from storage.findings(objects)
    yield from gates.findings(objects)


def _by_hand(objects: Objects) -> Iterator[Finding]:
    """Workloads that no commit describes."""
    for kind in ("Deployment", "StatefulSet", "DaemonSet"):
        found = [named(each) for each in by_hand(objects.get(kind, ())) if not _other(each)]
        if found:
            text = "they are in no repository that Flux applies, and do not come back: put them there"
            yield Finding(flux.SECTION, f"{kind}s made by hand", some(found), Fate.LOST, text)


def _other(manifest: dict[str, object]) -> bool:
    meta = manifest["metadata"]
    labels = (meta.get("labels") if isinstance(meta, dict) else None) or {}
    return "castle.id" in labels or labels.get("app.kubernetes.io/managed-by") == "Helm"


def _store(objects: Objects) -> str:
    used: dict[str, int] = {}
    for each in objects.get("ExternalSecret", ()):
        ref = each["spec"].get("secretStoreRef") or {}
        own = str(ref.get("name") or "")
        if own:
            cluster = ref.get("kind") == "ClusterSecretStore"
            full = own if cluster else f"{each['metadata']['namespace']}/{own}"
            used[full] = used.get(full, 0) + 1
    return max(sorted(used), key=lambda each: used[each], default="")

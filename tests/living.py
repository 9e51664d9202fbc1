"""The cluster of a home lab as an API server tells it: Flux, an operator's database, secrets, and what nobody keeps."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from ephemeral_castle.spi.kubernetes import Manifest

UID = "c0ffee00-0000-4000-8000-00000000000a"
FLUX = "toolkit.fluxcd.io"
PGO = "postgres-operator.crunchydata.com"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBlngqQZ6ydf6LXdYYzYPWsQLmm8CwlMGrYQPCjoIZ5z"
HIDDEN = "never-to-be-told-4711"
READY = {"conditions": [{"type": "Ready", "status": "True", "reason": "Succeeded"}]}


def thing(api: str, kind: str, name: str, space: str = "", **more: Any) -> Manifest:
    """An object; `labels`, `annotations` and `owner` (KIND/NAME) go into its metadata."""
    meta: dict[str, Any] = {"name": name, **({"namespace": space} if space else {})}
    meta |= {key: more.pop(key) for key in ("labels", "annotations") if key in more}
    owner = more.pop("owner", "")
    if owner:
        of, _, own = owner.partition("/")
        meta["ownerReferences"] = [{"apiVersion": "v1", "kind": of, "name": own, "uid": "uid-of-nobody"}]
    return {"apiVersion": api, "kind": kind, "metadata": meta, **more}


def unit(name: str, *needs: str, parent: str = "flux-system", status: Any = None, **spec: Any) -> Manifest:
    """A Kustomization of Flux."""
    labels = {f"kustomize.{FLUX}/name": parent, f"kustomize.{FLUX}/namespace": "flux-system"} if parent else {}
    given = {
        "path": f"./{name}", "interval": "10m", "prune": True, **spec,
        "sourceRef": {"kind": "GitRepository", "name": "flux-system"},
    }  # fmt: skip
    given |= {"dependsOn": [{"name": each} for each in needs]} if needs else {}
    return thing(f"kustomize.{FLUX}/v1", "Kustomization", name, "flux-system", labels=labels, spec=given,
                 status=READY if status is None else status)  # fmt: skip


def unready(reason: str, message: str) -> Manifest:
    return {"conditions": [{"type": "Ready", "status": "False", "reason": reason, "message": message}]}


def secret(name: str, space: str, *keys: str, kind: str = "Opaque", known: str = "", **more: Any) -> Manifest:
    """A Secret; every value is the same one, which may be told nowhere."""
    data = {key: base64.b64encode(HIDDEN.encode()).decode() for key in keys}
    data |= {"known_hosts": base64.b64encode(known.encode()).decode()} if known else {}
    return thing("v1", "Secret", name, space, type=kind, data=data, **more)


def pod(name: str, space: str, owner: str, *volumes: dict[str, Any]) -> Manifest:
    spec = {"containers": [{"name": "main", "image": "nowhere/main:1"}], "volumes": list(volumes)}
    return thing("v1", "Pod", name, space, owner=owner, spec=spec)


GIT = {f"kustomize.{FLUX}/name": "apps", f"kustomize.{FLUX}/namespace": "flux-system"}


def walls() -> list[Manifest]:
    """Flux, as `flux bootstrap` leaves it, with one unit frozen, one suspended, and one that waits for nothing."""
    source = {
        "url": "ssh://git@git.example.org/home/castle.git", "ref": {"branch": "main"}, "interval": "1m",
        "secretRef": {"name": "flux-system"},
    }  # fmt: skip
    wrong = unready("HealthCheckFailed", "Deployment media/jellyfin is not ready")
    waits = unready("DependencyNotReady", "dependency 'flux-system/media' is not ready")
    return [
        thing(f"source.{FLUX}/v1", "GitRepository", "flux-system", "flux-system", spec=source, status=READY,
              labels={f"kustomize.{FLUX}/name": "flux-system", f"kustomize.{FLUX}/namespace": "flux-system"}),
        unit("flux-system", path="./clusters/home"),
        unit("operators"),
        unit("configs", "operators", decryption={"provider": "sops", "secretRef": {"name": "sops-age"}}),
        unit("data", "configs"),
        unit("apps", "data"),
        unit("media", "configs", status=wrong),
        unit("photos", "media", status=waits),
        unit("games", "configs", suspend=True),
        unit("lost", "nowhere"),
        thing("apps/v1", "Deployment", "blog", "blog", labels=GIT, spec={"replicas": 2}),
        thing("apps/v1", "Deployment", "experiment", "default", spec={"replicas": 1}),
    ]  # fmt: skip


def treasures() -> list[Manifest]:
    """A database with a bucket, another with a volume alone, and a StatefulSet that nobody backs up."""
    bucket = {"bucket": "vault", "endpoint": "s3.example.org", "region": "eu-1"}
    backrest = {
        "configuration": [{"secret": {"name": "db-s3"}}],
        "global": {"repo1-path": "/castle/db", "repo1-cipher-type": "aes-256-cbc", "repo1-retention-full": "4",
                   "archive-async": "y", "repo2-path": "/elsewhere"},
        "repos": [{"name": "repo1", "s3": bucket}, {"name": "repo2", "volume": {"volumeClaimSpec": {}}}],
    }  # fmt: skip
    local = {"repos": [{"name": "repo1", "volume": {"volumeClaimSpec": {}}}]}
    return [
        _postgres("db", "data", backrest, {"patroni": {"systemIdentifier": "7000000000000000001"}}),
        _postgres("scratch", "data", local, {}, dataSource={"pgbackrest": {}}),
        thing("apps/v1", "StatefulSet", "db-a-x7k2", "data", owner="PostgresCluster/db", spec={"replicas": 1}),
        thing("apps/v1", "StatefulSet", "wiki", "wiki", labels=GIT,
              spec={"replicas": 1, "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}),
    ]  # fmt: skip


def _postgres(name: str, space: str, backrest: Manifest, status: Manifest, **more: Any) -> Manifest:
    spec = {"postgresVersion": 17, "instances": [{"name": "a"}], "backups": {"pgbackrest": backrest}, **more}
    return thing(f"{PGO}/v1beta1", "PostgresCluster", name, space, labels=GIT, spec=spec, status=status)


def secrets() -> list[Manifest]:
    """From a store, from Git, made by controllers, to be given, and from nowhere."""
    vault = {"server": "https://vault.example.org", "path": "kv", "auth": {
        "tokenSecretRef": {"name": "vault-token", "key": "token", "namespace": "external-secrets"}}}  # fmt: skip
    api, ready = "external-secrets.io/v1", READY
    return [
        thing(api, "ClusterSecretStore", "vault", spec={"provider": {"vault": vault}}, status=ready),
        thing(
            api,
            "ExternalSecret",
            "db-s3",
            "data",
            status=ready,
            spec={"secretStoreRef": {"kind": "ClusterSecretStore", "name": "vault"}},
        ),
        secret("db-s3", "data", "s3.conf", labels={"reconcile.external-secrets.io/managed": "true"}),
        secret("flux-system", "flux-system", "identity", "identity.pub", known=f"git.example.org {HOST_KEY}\n"),
        secret("sops-age", "flux-system", "age.agekey"),
        secret("vault-token", "external-secrets", "token"),
        secret("grafana", "monitoring", "password", labels=GIT),
        secret("db-pguser-app", "data", "password", labels={f"{PGO}/cluster": "db"}, owner="PostgresCluster/db"),
        secret("blog-tls", "blog", "tls.crt", "tls.key", annotations={"cert-manager.io/certificate-name": "blog"}),
        secret("sh.helm.release.v1.x.v1", "monitoring", "release", kind="helm.sh/release.v1"),
        secret("smtp", "blog", "user", "password"),
    ]


def storage() -> list[Manifest]:
    """A class, the claims of databases and others, and what lies on nodes."""

    def claim(name: str, space: str, **more: Any) -> Manifest:
        spec = {"storageClassName": "longhorn", "resources": {"requests": {"storage": "4Gi"}}}
        return thing("v1", "PersistentVolumeClaim", name, space, spec=spec, **more)

    return [
        thing("storage.k8s.io/v1", "StorageClass", "longhorn", provisioner="driver.longhorn.io", reclaimPolicy="Delete",
              annotations={"storageclass.kubernetes.io/is-default-class": "true"}),
        claim("db-a-x7k2-pgdata", "data", labels={f"{PGO}/cluster": "db", f"{PGO}/role": "pgdata"}),
        claim("data-wiki-0", "wiki"),
        pod("db-a-x7k2-0", "data", "StatefulSet/db-a-x7k2",
            {"name": "data", "persistentVolumeClaim": {"claimName": "db-a-x7k2-pgdata"}}),
        pod("wiki-0", "wiki", "StatefulSet/wiki",
            {"name": "data", "persistentVolumeClaim": {"claimName": "data-wiki-0"}}),
        pod("blog-5d9-abcde", "blog", "ReplicaSet/blog-5d9", {"name": "cache", "emptyDir": {}}),
        pod("media-7c1-fghij", "media", "ReplicaSet/media-7c1", {"name": "films", "hostPath": {"path": "/srv/films"}}),
        pod("kube-proxy-1", "kube-system", "DaemonSet/kube-proxy", {"name": "x", "hostPath": {"path": "/srv/x"}}),
    ]  # fmt: skip


def gates() -> list[Manifest]:
    """Two ways in, a certificate, an address."""
    return [
        thing("networking.k8s.io/v1", "Ingress", "blog", "blog", labels=GIT,
              spec={"rules": [{"host": "blog.example.org"}]}),
        thing("traefik.io/v1alpha1", "IngressRoute", "wiki", "wiki", labels=GIT,
              spec={"routes": [{"match": "Host(`wiki.example.org`, `w.example.org`) && PathPrefix(`/`)"}]}),
        thing("cert-manager.io/v1", "Certificate", "blog", "blog", labels=GIT,
              spec={"secretName": "blog-tls", "dnsNames": ["blog.example.org"], "issuerRef": {"name": "letsencrypt"}},
              status={**READY, "notAfter": "2027-02-01T00:00:00Z"}),
        thing("v1", "Service", "traefik", "edge", labels=GIT, spec={"type": "LoadBalancer"},
              status={"loadBalancer": {"ingress": [{"ip": "192.0.2.40"}]}}),
    ]  # fmt: skip


def everything() -> list[Manifest]:
    """All of it."""
    return [*walls(), *treasures(), *secrets(), *storage(), *gates()]


def by_kind(objects: Sequence[Manifest]) -> dict[str, list[Manifest]]:
    """As a survey wants them."""
    found: dict[str, list[Manifest]] = {}
    for each in objects:
        found.setdefault(each["kind"], []).append(each)
    return found

"""Charts of Helm that nobody rendered: what is known of the usual ones, and that others may make anything. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules.fields import Path, dig, mapping, text

Version = tuple[int, ...]

# Chart -> the API groups whose kinds it brings.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "cert-manager": ("cert-manager.io", "acme.cert-manager.io"),
    "trust-manager": ("trust.cert-manager.io",),
    "external-secrets": ("external-secrets.io", "generators.external-secrets.io"),
    "vault-secrets-operator": ("secrets.hashicorp.com",),
    "sealed-secrets": ("bitnami.com",),
    "longhorn": ("longhorn.io",),
    "metallb": ("metallb.io",),
    "traefik": ("traefik.io", "traefik.containo.us", "hub.traefik.io"),
    "traefik-crds": ("traefik.io", "hub.traefik.io"),
    "kube-prometheus-stack": ("monitoring.coreos.com",),
    "prometheus-operator-crds": ("monitoring.coreos.com",),
    "cloudnative-pg": ("postgresql.cnpg.io",),
    "plugin-barman-cloud": ("barmancloud.cnpg.io",),
    "pgo": ("postgres-operator.crunchydata.com",),
    "postgres-operator": ("acid.zalan.do",),
    "rook-ceph": ("ceph.rook.io", "objectbucket.io"),
    "kyverno": ("kyverno.io", "policies.kyverno.io", "reports.kyverno.io"),
    "cilium": ("cilium.io",),
    "volsync": ("volsync.backube",),
    "external-dns": ("externaldns.k8s.io",),
    "keda": ("keda.sh", "eventing.keda.sh"),
    "tailscale-operator": ("tailscale.com",),
    "base": ("networking.istio.io", "security.istio.io", "telemetry.istio.io"),
    "argo-cd": ("argoproj.io",),
    "argo-workflows": ("argoproj.io",),
    "velero": ("velero.io",),
    "grafana-operator": ("grafana.integreatly.org",),
    "mariadb-operator": ("k8s.mariadb.com",),
    "mariadb-operator-crds": ("k8s.mariadb.com",),
    "strimzi-kafka-operator": ("kafka.strimzi.io", "core.strimzi.io"),
    "intel-device-plugins-operator": ("deviceplugin.intel.com",),
    "node-feature-discovery": ("nfd.k8s-sigs.io",),
    "dragonfly-operator": ("dragonflydb.io",),
    "eck-operator": ("elasticsearch.k8s.elastic.co", "kibana.k8s.elastic.co"),
    "openebs": ("openebs.io", "local.openebs.io"),
    "gateway-helm": ("gateway.envoyproxy.io", "gateway.networking.k8s.io"),
    "crossplane": ("crossplane.io", "pkg.crossplane.io", "apiextensions.crossplane.io"),
    "snapshot-controller": ("snapshot.storage.k8s.io", "groupsnapshot.storage.k8s.io"),
    "flux-operator": ("fluxcd.controlplane.io",),
}

# Charts that are known to bring no StorageClass, whatever their values say. All others may.
CLASSLESS = frozenset(GROUPS) - {"longhorn", "rook-ceph", "openebs"} | {
    "podinfo",
    "kube-prometheus-stack",
    "app-template",
    "grafana",
    "loki",
    "ingress-nginx",
    "reflector",
    "reloader",
    "metrics-server",
    "external-dns",
    "vault",
    "blackbox-exporter",
}

# Charts that take minutes to become ready, on a machine that does nothing else.
HEAVY = frozenset(
    (
        "kube-prometheus-stack",
        "victoria-metrics-k8s-stack",
        "loki",
        "loki-stack",
        "loki-distributed",
        "mimir-distributed",
        "tempo-distributed",
        "gitlab",
        "elasticsearch",
        "eck-stack",
        "opensearch",
        "harbor",
        "nextcloud",
        "sentry",
        "kafka",
        "cassandra",
        "airflow",
        "thanos",
        "wazuh",
    )
)
NUMBERS = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(.*)")


@dataclass(frozen=True)
class Chart:
    """One release of a chart. `version`: as far as its numbers are fixed; () where they are not known."""

    thing: Object
    name: str
    version: Version
    namespace: str  # where its objects go
    values: Mapping[str, Any]
    at: Path = ()  # where its version is written

    @property
    def groups(self) -> tuple[str, ...]:
        """API groups that it is known to bring."""
        return GROUPS.get(self.name, ())


def releases(repository: Repository) -> Iterator[Chart]:
    """Every HelmRelease, rendered or not."""
    for thing in repository.of("HelmRelease", "helm.toolkit.fluxcd.io"):
        name, version = _chart(repository, thing)
        into = text(dig(thing.manifest, "spec", "targetNamespace")) or thing.namespace
        values = mapping(dig(thing.manifest, "spec", "values"))
        at = ("spec", "chart", "spec", "version")
        yield Chart(thing, name, numbers(version), into, values, at if dig(thing.manifest, *at) else ())


def unrendered(repository: Repository) -> Iterator[Chart]:
    """Those of which nobody knows what they make."""
    places = {chart.mark for chart in repository.charts}
    return (release for release in releases(repository) if release.thing.mark in places)


def ahead(repository: Repository, name: str) -> bool:
    """Whether a helmfile of the repository names a chart: it, or its kinds, are installed before Flux."""
    word = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
    return any("helmfile" in file and word.search(said) for file, said in repository.texts.items())


def version(repository: Repository, *names: str) -> Version:
    """The lowest version of a chart that the repository installs; () where none is, or nobody says which."""
    found = [release.version for release in releases(repository) if release.name in names and release.version]
    return min(found, default=())


def numbers(said: str) -> Version:
    """The fixed numbers of a version: "1.21.x" is (1, 21), ">=1.2" is not fixed."""
    match = NUMBERS.fullmatch(said.strip())
    if not match or match[4].startswith((" ", ",")):
        return ()
    return tuple(int(part) for part in match.groups()[:3] if part)


def _chart(repository: Repository, release: Object) -> tuple[str, str]:
    inline = mapping(dig(release.manifest, "spec", "chart", "spec"))
    if inline:
        return text(inline.get("chart")).rstrip("/").rpartition("/")[2], text(inline.get("version"))
    wanted = mapping(dig(release.manifest, "spec", "chartRef"))
    space = text(wanted.get("namespace")) or release.namespace
    for source in repository.of(text(wanted.get("kind"))):
        if source.name == wanted.get("name") and source.namespace == space:
            if source.kind == "HelmChart":
                chart = text(dig(source.manifest, "spec", "chart"))
                return chart.rstrip("/").rpartition("/")[2], text(dig(source.manifest, "spec", "version"))
            url, reference = text(dig(source.manifest, "spec", "url")), mapping(dig(source.manifest, "spec", "ref"))
            return url.rstrip("/").rpartition("/")[2], text(reference.get("tag")) or text(reference.get("semver"))
    return text(wanted.get("name")), ""

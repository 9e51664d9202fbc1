"""Whether anything makes what a reference names: the repository, an operator, a chart, somebody outside. Pure.

Only a repository that says how the whole cluster is built can say that nothing makes an object; and there, too, nobody
knows what a chart makes that was not rendered, or another repository.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ephemeral_castle.manifests.repository import Object, Repository, Unit
from ephemeral_castle.manifests.rules import charts
from ephemeral_castle.manifests.rules.contents import target
from ephemeral_castle.manifests.rules.fields import dig, each, mapping, notes, scalars, text
from ephemeral_castle.manifests.rules.meant import meant
from ephemeral_castle.manifests.rules.operated import made
from ephemeral_castle.manifests.rules.references import Reference
from ephemeral_castle.manifests.rules.rule import Setting
from ephemeral_castle.manifests.substitution import Undecided
from ephemeral_castle.model.finding import Severity

ALWAYS = {("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")}
SOURCES = ("GitRepository", "OCIRepository", "HelmRepository", "HelmChart", "Bucket", "ExternalArtifact")
UNSCOPED = frozenset(("StorageClass", "ClusterSecretStore", "ClusterIssuer"))
SPREADS = ("reflector", "replicator.v1.mittwald.de", "kubed.appscode.com/sync", "kyverno.io")
PLATFORMS = frozenset(
    (
        *("local-path", "standard", "default", "hostpath", "microk8s-hostpath", "longhorn-static"),
        *("standard-rwo", "premium-rwo", "gp2", "gp3", "managed-csi", "managed-premium", "azurefile"),
        *("do-block-storage", "hcloud-volumes", "linode-block-storage", "linode-block-storage-retain"),
        *("csi-cinder-classic", "oci-bv", "vultr-block-storage"),
    )
)
FOREIGN = ("Application", "ApplicationSet", "GitRepo", "App", "PackageInstall")  # of others that apply manifests


class Verdict(Enum):
    """Whether something makes it."""

    MADE = 1
    UNDECIDED = 2
    MISSING = 3


@dataclass(frozen=True)
class Answer:
    """What is known of it. `why`: why nobody can know. `near`: the name that was perhaps meant."""

    verdict: Verdict
    why: str = ""
    near: str = ""


class Index:
    """All that a repository makes, by kind and name."""

    def __init__(self, repository: Repository, setting: Setting) -> None:
        self.repository = repository
        self.setting = setting
        self.made: dict[tuple[str, str], set[str | None]] = defaultdict(set)
        self.spread: set[tuple[str, str]] = set()
        self.strangers: dict[str, list[Object]] = defaultdict(list)
        self.charts = list(charts.unrendered(repository))
        for thing in repository.objects:
            self._take(thing)
        self.source = _source(repository)

    def answer(self, wanted: Reference) -> Answer:
        """Whether anything makes what a reference names."""
        if (wanted.kind, wanted.name) in ALWAYS or self._is_made(wanted):
            return Answer(Verdict.MADE)
        if (wanted.kind, wanted.name) == self.source and wanted.thing.kind == "Kustomization":
            return Answer(Verdict.UNDECIDED, "it is the source of this very repository, and made with Flux")
        if isinstance(wanted.name, Undecided) or "$" in wanted.name:
            return Answer(Verdict.UNDECIDED, "its name is not known before variables are put in")
        why = self._why_not(wanted)
        near = self._near(wanted, sure=not why)
        return Answer(Verdict.UNDECIDED if why else Verdict.MISSING, why, near)

    def _take(self, thing: Object) -> None:
        self.made[(thing.kind, thing.name)].add(thing.namespace)
        if any(key.startswith(SPREADS) for key in notes(thing)):
            self.spread.add((thing.kind, thing.name))
        if thing.kind == "ExternalSecret":
            self.made[("Secret", target(thing))].add(thing.namespace)
            template = str(dig(thing.manifest, "spec", "target") or "")
            if any(word in template for word in SPREADS):
                self.spread.add(("Secret", target(thing)))
        for one in made(thing):
            self.made[(one.kind, one.name)].add(one.namespace)
        if "." in thing.group and not thing.group.endswith(KNOWN):
            self.strangers[thing.namespace].append(thing)
        if thing.kind == "StatefulSet":
            for name in _claims(thing):
                self.made[("PersistentVolumeClaim", name)].add(thing.namespace)

    def _is_made(self, wanted: Reference) -> bool:
        key = (wanted.kind, wanted.name)
        found = self.made.get(key, set())
        if wanted.kind in UNSCOPED or not wanted.namespace:
            return bool(found)
        if found & {wanted.namespace, None, ""} or (found and key in self.spread):
            return True
        subject = f"{wanted.kind} {wanted.namespace}/{wanted.name}"
        return subject in self.setting.brought or f"{wanted.kind} {wanted.name}" in self.setting.brought

    def _near(self, wanted: Reference, *, sure: bool) -> str:
        """The name that was perhaps meant; one without its last word only where it is sure that there is none."""
        there = [
            name
            for (kind, name), spaces in self.made.items()
            if kind == wanted.kind and (not wanted.namespace or kind in UNSCOPED or wanted.namespace in spaces)
        ]
        longer = (name for name in sorted(there) if sure and name.startswith(f"{wanted.name}-"))
        return meant(wanted.name, there) or next(longer, "")

    def _why_not(self, wanted: Reference) -> str:
        """Why nobody can know whether it is made; "" where the repository tells."""
        if wanted.outside:
            return "it comes from outside of the repository, ahead of all else"
        if not whole(self.repository):
            return "these files do not say how the whole cluster is built"
        return next(self._others(wanted), "")

    def _others(self, wanted: Reference) -> Iterator[str]:
        """Who else may make it."""
        if foreign(self.repository):
            yield "a Kustomization takes from another repository, which was not read"
        if any(one.kind in FOREIGN and one.group != "" for one in self.repository.objects):
            yield "another tool than Flux applies manifests here, too"
        yield from torn(self.repository, wanted.name)
        if wanted.kind == "StorageClass" and wanted.name in PLATFORMS:
            yield "the platform usually brings it"
        for chart in self.charts:
            if self._may_make(chart, wanted):
                yield f"the chart `{chart.name or chart.thing.name}` ({chart.thing.mark}) was not rendered"
        for thing in (*self.strangers[wanted.namespace], *self.strangers[""]):
            if wanted.kind not in UNSCOPED and _names(thing, wanted.name):
                yield f"{thing.subject} ({thing.mark}) may be what makes it"

    def _may_make(self, chart: charts.Chart, wanted: Reference) -> bool:
        if wanted.kind in SOURCES:
            return False
        if wanted.kind == "StorageClass":
            return chart.name not in charts.CLASSLESS
        if wanted.kind in UNSCOPED:
            return not chart.groups and chart.name not in charts.CLASSLESS and chart.name not in charts.HEAVY
        return not wanted.namespace or chart.namespace in ("", wanted.namespace)


HIDES = ("yaml", "file-unreadable", "file-not-utf8", "kustomization", "kustomization-not-rendered")
KNOWN = (
    "toolkit.fluxcd.io", "k8s.io", "external-secrets.io", "cert-manager.io", "crunchydata.com", "cnpg.io", "metallb.io",
    "traefik.io", "longhorn.io", "monitoring.coreos.com", "snapshot.storage.k8s.io", "kustomize.config.k8s.io",
)  # fmt: skip


def foreign(repository: Repository) -> bool:
    """Whether a Kustomization applies something of another repository, which nobody read."""
    own = _source(repository)
    return any(not unit.path and _named(unit) != own for unit in repository.units)


def _named(unit: Unit) -> tuple[str, str]:
    found = mapping(dig(unit.object.manifest, "spec", "sourceRef"))
    return text(found.get("kind")), text(found.get("name"))


def _source(repository: Repository) -> tuple[str, str]:
    """Kind and name of the source that most Kustomizations name: the repository's own."""
    counts = Counter(_named(unit) for unit in repository.units if unit.path)
    return counts.most_common(1)[0][0] if counts else ("", "")


def torn(repository: Repository, name: str) -> Iterator[str]:
    """Why a file that has faults may make an object of that name: nobody could read it, or the name stands in it."""
    bad = (Severity.ERROR, Severity.UNDECIDED)
    files = {fault.mark.file for fault in repository.faults if fault.rule in HIDES and fault.severity in bad}
    for file in sorted(files):
        written = repository.texts.get(file)
        if written is None:
            yield f"{file} could not be read"
        elif re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", written):
            yield f"{file}, which has faults, names it"


def whole(repository: Repository) -> bool:
    """Whether the repository says how a cluster is built: it has Kustomizations of Flux, with paths in it."""
    return any(unit.path for unit in repository.units)


def _claims(thing: Object) -> Iterator[str]:
    """Names of the claims that a StatefulSet's templates give to its first pods."""
    count = dig(thing.manifest, "spec", "replicas")
    for _, template in each(thing.manifest, "spec", "volumeClaimTemplates"):
        name = text(dig(template, "metadata", "name"))
        for number in range(min(count if isinstance(count, int) else 1, 16)):
            yield f"{name}-{thing.name}-{number}"


def _names(thing: Object, name: str) -> bool:
    """Whether an object of an operator that nobody knows here names another one, or that one is named after it."""
    if name.startswith(thing.name):
        return True
    return any(value == name for _, value in scalars(thing.manifest.get("spec")))

"""Custom resources in the Kustomization that installs their operator by a chart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules import charts
from ephemeral_castle.manifests.rules.fields import ERROR, UNDECIDED, dig, fault, text
from ephemeral_castle.manifests.rules.living import MOVED
from ephemeral_castle.manifests.rules.resolving import foreign
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.manifests.rules.units import Cluster, Stage, clusters
from ephemeral_castle.model.finding import Finding

ID = "crd-beside-operator"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every Kustomization with a release of a chart whose kinds are known, and that no other one brings."""
    defined = {defines(one) for one in repository.of("CustomResourceDefinition")}
    elsewhere = foreign(repository)
    for cluster in clusters(repository):
        bringing = _bringing(cluster)
        for stage in cluster.stages.values():
            brought = _brought(bringing, stage)
            for one in stage.objects:
                release = brought.get(one.group)
                if release is None or (one.group, one.kind) in defined:
                    continue
                if elsewhere or charts.ahead(repository, release.name):
                    who = "another repository may bring it" if elsewhere else f"a helmfile names `{release.name}`"
                    message = f"whether the kind {one.kind} is there ahead of its chart: {who}"
                    yield fault(ID, UNDECIDED, one, ("kind",), message)
                else:
                    yield _fault(stage, one, release)


def _brought(bringing: Mapping[str, set[str]], stage: Stage) -> dict[str, charts.Chart]:
    """API groups that the releases of one Kustomization bring, and those of no other."""
    return {group: release for release in stage.releases for group in release.groups if bringing[group] == {stage.id}}


def _bringing(cluster: Cluster) -> Mapping[str, set[str]]:
    """API group -> the Kustomizations whose releases bring it."""
    found: dict[str, set[str]] = {}
    for stage in cluster.stages.values():
        for release in stage.releases:
            for group in release.groups:
                found.setdefault(group, set()).add(stage.id)
    return found


def _fault(stage: Stage, one: Object, release: charts.Chart) -> Finding:
    need = f"`dependsOn: [{{name: {stage.thing.name}}}]`"
    name = "/".join(filter(None, (one.kind, one.namespace, one.name)))
    return fault(
        ID,
        ERROR,
        one,
        ("kind",),
        f"the chart `{release.name}` of the same Kustomization ({stage.id}) brings the kind {one.kind}",
        hints=(f"move it into a Kustomization of its own with {need}, and let {stage.id} `wait: true`", MOVED),
        says=f'{name} dry-run failed: no matches for kind "{one.kind}" in version "{one.api}"',
    )


def defines(one: Object) -> tuple[str, str]:
    """Group and kind of a CustomResourceDefinition."""
    return text(dig(one.manifest, "spec", "group")), text(dig(one.manifest, "spec", "names", "kind"))


RULE = Rule(
    ID,
    "a custom resource stands in one Kustomization with the chart that brings its kind",
    "Flux asks the API server about every object of a Kustomization before it applies the first. The kind is not "
    "there, so nothing is applied, the release neither, and the kind never comes: a deadlock that only a new "
    "cluster shows. Operators go into one Kustomization with `wait: true`, their objects into another one that "
    "depends on it. A CRD that lies in the same Kustomization as a manifest is no fault: Flux applies those first.",
    "Flux' kustomize-controller: a dry run of all, then stages",
    find,
    ("F66", "F116"),
)

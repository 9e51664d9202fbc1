"""Custom resources in the Kustomization that installs their operator by a chart."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules import charts
from ephemeral_castle.manifests.rules.fields import ERROR, UNDECIDED, dig, fault, text
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.manifests.rules.units import clusters
from ephemeral_castle.model.finding import Finding

ID = "crd-beside-operator"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every Kustomization that has a release of a chart whose kinds are known."""
    defined = {defines(one) for one in repository.of("CustomResourceDefinition")}
    for cluster in clusters(repository):
        for stage in cluster.stages.values():
            installed = {
                group: release
                for other in cluster.stages.values()
                for release in charts.releases(Repository(other.objects))
                for group in release.groups
                if other.id == stage.id
            }
            for one in stage.objects:
                release = installed.get(one.group)
                if release is None or (one.group, one.kind) in defined:
                    continue
                if charts.ahead(repository, release.name):
                    message = f"whether the kind {one.kind} is there ahead: a helmfile names the chart `{release.name}`"
                    yield fault(ID, UNDECIDED, one, ("kind",), message)
                    continue
                message = (
                    f"the chart `{release.name}` of the same Kustomization ({stage.id}) brings the kind {one.kind}"
                )
                need = f"`dependsOn: [{{name: {stage.thing.name}}}]`"
                hints = (f"move it into a Kustomization of its own with {need}, and let {stage.id} `wait: true`",)
                says = f"{one.kind}/{one.namespace or ''}{'/' if one.namespace else ''}{one.name} dry-run failed: no "
                says += f'matches for kind "{one.kind}" in version "{one.api}"'
                yield fault(ID, ERROR, one, ("kind",), message, hints=hints, says=says)


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

"""Custom resources whose Kustomization does not wait for the one that installs their operator."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import charts
from ephemeral_castle.manifests.rules.crd_beside_operator import defines
from ephemeral_castle.manifests.rules.fields import WARNING, fault
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.manifests.rules.units import Cluster, Stage, clusters
from ephemeral_castle.model.finding import Finding

ID = "crd-too-late"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every Kustomization with objects of a kind that a chart of another one brings."""
    defined = {defines(one) for one in repository.of("CustomResourceDefinition")}
    for cluster in clusters(repository):
        makers = _makers(cluster)
        for stage in cluster.stages.values():
            reach = cluster.reach(stage)
            told: set[str] = set()
            for one in stage.objects:
                there = [found for found in makers.get(one.group, []) if found[0].id != stage.id]
                if not there or (one.group, one.kind) in defined or one.group in told:
                    continue
                needed = [(other, chart) for other, chart in there if other.id in reach]
                if any(_holds(other, chart) for other, chart in needed) or charts.ahead(repository, there[0][1].name):
                    continue
                told.add(one.group)
                other, chart = (needed or there)[0]
                how = "does not wait for its chart" if needed else "is not needed by this one"
                message = f"{one.kind} comes with the chart `{chart.name}` of {other.id}, which {how}"
                add = f"let {other.id} `wait: true`" if needed else f"add `dependsOn: [{{name: {other.thing.name}}}]`"
                hints = (f"{add}; until then {stage.id} is refused as a whole and tried again",)
                yield fault(ID, WARNING, one, ("kind",), message, hints=hints)


def _makers(cluster: Cluster) -> dict[str, list[tuple[Stage, charts.Chart]]]:
    found: dict[str, list[tuple[Stage, charts.Chart]]] = {}
    for stage in cluster.stages.values():
        for release in stage.releases:
            for group in release.groups:
                found.setdefault(group, []).append((stage, release))
    return found


def _holds(stage: Stage, chart: charts.Chart) -> bool:
    """Whether a Kustomization is ready only when its chart is installed."""
    return stage.waits or ("HelmRelease", chart.thing.namespace, chart.thing.name) in stage.checks


RULE = Rule(
    ID,
    "a custom resource does not wait for the chart that brings its kind",
    "Without `dependsOn` on the Kustomization of its operator, and `wait: true` there, a custom resource comes "
    "before its kind in a new cluster. Flux refuses the whole Kustomization and tries again after `retryInterval`: "
    "it ends well, later, and everything else of that Kustomization is late too.",
    "Flux' documentation of dependsOn; rebirths that lost minutes to it",
    find,
    ("F66", "F116"),
)

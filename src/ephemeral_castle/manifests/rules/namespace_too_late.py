"""Namespaces that come from a Kustomization which nothing puts first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.fields import WARNING, fault
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.manifests.rules.units import Stage, clusters
from ephemeral_castle.model.finding import Finding

ID = "namespace-too-late"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every Kustomization with objects in a namespace of another one."""
    for cluster in clusters(repository):
        makers: dict[str, list[str]] = {}
        for stage in cluster.stages.values():
            for one in stage.objects:
                if one.kind == "Namespace":
                    makers.setdefault(one.name, []).append(stage.id)
        for stage in cluster.stages.values():
            reach = cluster.reach(stage)
            told: set[str] = set()
            for one in stage.objects:
                there = makers.get(one.namespace, [])
                if not there or one.namespace in told or reach.intersection(there):
                    continue
                if any(stage.id in cluster.reach(cluster.stages[maker]) for maker in there):
                    continue  # a ring, which has a rule of its own
                if _above(cluster.stages, stage.id, there):
                    continue
                told.add(one.namespace)
                maker = there[0]
                name = maker.partition("/")[2]
                message = f"its namespace `{one.namespace}` comes from {maker}, which {stage.id} does not need"
                hints = (f"add `dependsOn: [{{name: {name}}}]`; until {maker} is applied, {stage.id} is refused",)
                yield fault(ID, WARNING, one, ("metadata", "namespace"), message, hints=hints)


def _above(stages: Mapping[str, Stage], name: str, makers: list[str]) -> bool:
    """Whether the Kustomization is itself applied by one that makes the namespace."""
    seen: set[str] = set()
    while name in stages and name not in seen:
        seen.add(name)
        name = stages[name].thing.unit
        if name in makers:
            return True
    return False


RULE = Rule(
    ID,
    "a namespace comes from a Kustomization that is not needed",
    "Objects whose namespace is made elsewhere need that Kustomization by `dependsOn`. Without it they race in a "
    "new cluster: the API server refuses them, Flux refuses the whole Kustomization and tries again later.",
    "Flux' kustomize-controller: a dry run of all objects ahead of the first",
    find,
    ("F68",),
)

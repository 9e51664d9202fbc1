"""Kinds whose readiness Flux cannot see: it takes them as ready at once."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.fields import WARNING, each, fault, text
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.manifests.rules.units import Stage, clusters
from ephemeral_castle.model.finding import Finding

ID = "wait-blind"
BLIND = {
    "PostgresCluster": "has(status.patroni) && has(status.patroni.systemIdentifier) && has(status.instances) && "
    "status.instances.all(i, has(i.readyReplicas) && i.readyReplicas == i.replicas)",
    "Volume": "status.state == 'attached' || status.state == 'detached'",
    "BackupTarget": "status.available",
}  # kind: an expression that holds when it is ready
GROUPS = ("postgres-operator.crunchydata.com", "longhorn.io")


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks for Kustomizations that wait for such a kind and that others depend on."""
    for cluster in clusters(repository):
        needed = {name for stage in cluster.stages.values() for _, name in stage.needs()}
        for stage in cluster.stages.values():
            told: set[str] = set()
            for one in stage.objects:
                blind = one.kind in BLIND and one.group in GROUPS
                if not blind or one.kind in told or one.kind in _expressed(stage):
                    continue
                checked = stage.waits or (one.kind, one.namespace, one.name) in stage.checks
                if not checked and stage.id not in needed:
                    continue
                told.add(one.kind)
                path = ("spec", "wait") if stage.waits else ("spec", "healthChecks") if checked else ("spec",)
                message = f"a {one.kind} counts as ready as soon as it is applied: it has no condition Ready"
                hint = f"add `healthCheckExprs` with kind {one.kind} and `current: {BLIND[one.kind]}`"
                yield fault(ID, WARNING, stage.thing, path, message, hints=(hint,), key=True)


def _expressed(stage: Stage) -> set[str]:
    return {text(one.get("kind")) for _, one in each(stage.thing.manifest, "spec", "healthCheckExprs")}


RULE = Rule(
    ID,
    "a Kustomization waits for a kind whose readiness Flux cannot see",
    "Flux judges objects by their condition `Ready`. A PostgresCluster, a Longhorn Volume or BackupTarget has none "
    "and is taken as ready at once: what depends on the Kustomization starts while the database is still being "
    "restored. `healthCheckExprs` tell Flux what to look at; `timeout` then has to leave time for the restore.",
    "kstatus: an object without a Ready condition is current; Flux' documentation of healthCheckExprs",
    find,
    ("F76",),
)

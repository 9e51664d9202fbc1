"""More copies of a volume than there are nodes to hold them."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules import charts
from ephemeral_castle.manifests.rules.fields import ERROR, UNDECIDED, Path, dig, fault, mapping
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "volume-replicas"
CHART: tuple[Path, ...] = (
    ("spec", "values", "persistence", "defaultClassReplicaCount"),
    ("spec", "values", "defaultSettings", "defaultReplicaCount"),
)


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at Longhorn's classes, volumes and chart."""
    for one in repository.of("StorageClass"):
        if one.manifest.get("provisioner") == "driver.longhorn.io":
            path: Path = ("parameters", "numberOfReplicas")
            yield from _judge(setting, one, path, mapping(one.manifest.get("parameters")).get("numberOfReplicas", "3"))
    for one in repository.of("Volume", "longhorn.io"):
        yield from _judge(setting, one, ("spec", "numberOfReplicas"), dig(one.manifest, "spec", "numberOfReplicas"))
    for release in charts.releases(repository):
        for path in CHART if release.name == "longhorn" else ():
            yield from _judge(setting, release.thing, path, dig(release.thing.manifest, *path))


def _judge(setting: Setting, one: Object, path: Path, said: object) -> Iterator[Finding]:
    count = int(said) if isinstance(said, str | int) and str(said).isdigit() else 0
    if count < 2 or (setting.nodes is not None and count <= setting.nodes):
        return
    if setting.nodes is None:
        yield fault(ID, UNDECIDED, one, path, f"whether {count} nodes are there for {count} replicas of a volume")
        return
    message = f"{count} replicas of each volume, and {setting.nodes} nodes to hold them: it stays degraded"
    hints = (f"set it to {max(1, setting.nodes)}",)
    yield fault(ID, ERROR, one, path, message, hints=hints, says="ReplicaSchedulingFailure")


RULE = Rule(
    ID,
    "a volume wants more replicas than there are nodes",
    "Longhorn holds at most one replica of a volume on a node by default. With more replicas than nodes a volume "
    "is degraded for ever, and a restored one is not ready for workloads: the restore waits. castle takes the "
    "number of nodes from the definition; without one nobody knows.",
    "Longhorn's documentation of replica-soft-anti-affinity",
    find,
    ("F104",),
)

"""A chart that takes minutes, in a Kustomization that holds up others until it is ready."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import charts
from ephemeral_castle.manifests.rules.fields import WARNING, fault
from ephemeral_castle.manifests.rules.living import MOVED
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.manifests.rules.units import clusters
from ephemeral_castle.model.finding import Finding

ID = "wait-heavy"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks for waited Kustomizations with a heavy chart among others, which something depends on."""
    for cluster in clusters(repository):
        needed = {name: stage.id for stage in cluster.stages.values() for _, name in stage.needs()}
        for stage in cluster.stages.values():
            releases = list(stage.releases)
            heavy = [one for one in releases if one.name in charts.HEAVY]
            if not stage.waits or not heavy or len(releases) == len(heavy) or stage.id not in needed:
                continue
            light = next(one for one in releases if one not in heavy)
            message = (
                f"`wait: true` makes {needed[stage.id]} wait for the chart `{heavy[0].name}`, which takes minutes, "
                f"although `{light.name}` may be all that it needs"
            )
            hints = (f"move `{heavy[0].thing.name}` into a Kustomization that nothing depends on", MOVED)
            yield fault(ID, WARNING, stage.thing, ("spec", "wait"), message, hints=hints)


RULE = Rule(
    ID,
    "a heavy chart and light ones share a Kustomization that others wait for",
    "A Kustomization with `wait: true` is ready when its slowest object is. With a monitoring stack or a large "
    "database among small operators, everything that depends on the small ones waits for it: fifteen minutes in "
    "one rebirth, for charts that were ready in one. What nothing needs goes into a Kustomization of its own.",
    "a rebirth whose applications waited 15 minutes for Prometheus",
    find,
    ("F77", "F112"),
)

"""A `dependsOn` that names nothing."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.fields import ERROR, UNDECIDED, each, fault, text
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.manifests.rules.units import clusters
from ephemeral_castle.model.finding import Finding

ID = "depends-on-missing"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every Kustomization and every release."""
    foreign = any(not unit.path for unit in repository.units)
    for cluster in clusters(repository):
        for stage in cluster.stages.values():
            for path, name in stage.needs():
                if name in cluster.stages:
                    continue
                near = get_close_matches(name, cluster.stages, 1, 0.7)
                hints = (f"did you mean `{near[0]}`?",) if near else ("take it away, or write that Kustomization",)
                severity = UNDECIDED if foreign and not near else ERROR
                message = f"it waits for the Kustomization {name}, and there is none"
                says = f"dependency '{name}' not found"
                yield fault(ID, severity, stage.thing, (*path, "name"), message, hints=hints, says=says)
    releases = {f"{one.namespace}/{one.name}" for one in repository.of("HelmRelease")}
    for one in repository.of("HelmRelease"):
        for path, other in each(one.manifest, "spec", "dependsOn"):
            name = f"{text(other.get('namespace')) or one.namespace}/{text(other.get('name'))}"
            if name in releases:
                continue
            near = get_close_matches(name, releases, 1, 0.7)
            severity = ERROR if repository.units and not foreign else UNDECIDED
            meant = (f"did you mean `{near[0]}`?",) if near else ()
            message = f"it waits for the release {name}, and there is none"
            yield fault(ID, severity, one, (*path, "name"), message, hints=meant)


RULE = Rule(
    ID,
    "a `dependsOn` names a Kustomization or release that does not exist",
    "Flux waits for it without end. Without `namespace` the one of the object itself is meant. After a rename the "
    "old object goes on living in an old cluster, so only the new one shows the fault.",
    "Flux' documentation of dependsOn",
    find,
    ("F120",),
)

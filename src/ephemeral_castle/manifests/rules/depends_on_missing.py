"""A `dependsOn` that names nothing."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.contents import same
from ephemeral_castle.manifests.rules.fields import ERROR, UNDECIDED, each, fault, text
from ephemeral_castle.manifests.rules.meant import meant
from ephemeral_castle.manifests.rules.resolving import foreign, torn, whole
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.manifests.rules.units import clusters
from ephemeral_castle.model.finding import Finding

ID = "depends-on-missing"
ROOT = "flux-system/flux-system"  # made together with Flux, and not always written down


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every Kustomization and every release."""
    elsewhere = foreign(repository)
    stages = [stage for cluster in clusters(repository) for stage in cluster.stages.values()]
    there = {stage.id for stage in stages}
    for stage in stages:
        for path, name in stage.needs():
            if name in there or f"Kustomization {name}" in setting.brought:
                continue
            near = meant(name, there)
            torn_off = any(torn(repository, name.partition("/")[2]))
            sure = not elsewhere and not torn_off and name != ROOT
            message = f"it waits for the Kustomization {name}, and there is none"
            says = f"dependency '{name}' not found"
            yield fault(
                ID,
                ERROR if sure or near else UNDECIDED,
                stage.thing,
                (*path, "name"),
                message,
                hints=(f"did you mean `{near}`?",) if near else ("take it away, or write that Kustomization",),
                says=says,
            )
    yield from _releases(repository, sure=not elsewhere and whole(repository))


def _releases(repository: Repository, *, sure: bool) -> Iterator[Finding]:
    releases = list(repository.of("HelmRelease"))
    for one in releases:
        for path, other in each(one.manifest, "spec", "dependsOn"):
            name, space = text(other.get("name")), text(other.get("namespace")) or one.namespace
            if any(found.name == name and same(found.namespace, space) for found in releases):
                continue
            near = meant(name, [found.name for found in releases if same(found.namespace, space)])
            hints = (f"did you mean `{near}`?",) if near else ()
            message = f"it waits for the release {space}/{name}, and there is none"
            yield fault(ID, ERROR if sure or near else UNDECIDED, one, (*path, "name"), message, hints=hints)


RULE = Rule(
    ID,
    "a `dependsOn` names a Kustomization or release that does not exist",
    "Flux waits for it without end. Without `namespace` the one of the object itself is meant. After a rename the "
    "old object goes on living in an old cluster, so only the new one shows the fault.",
    "Flux' documentation of dependsOn",
    find,
    ("F120",),
)

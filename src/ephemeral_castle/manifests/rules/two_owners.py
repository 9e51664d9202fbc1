"""Objects that two Kustomizations apply, or that are written twice."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules.contents import target
from ephemeral_castle.manifests.rules.fields import ERROR, WARNING, dig, fault
from ephemeral_castle.manifests.rules.living import MOVED
from ephemeral_castle.manifests.rules.resolving import whole
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.manifests.rules.units import Stage, clusters
from ephemeral_castle.model.finding import Finding, Severity

ID = "two-owners"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at what the Kustomizations of each cluster apply, and at ExternalSecrets that own one Secret."""
    for cluster in clusters(repository):
        for key, stages in cluster.homes.items():
            if len({stage.id for stage in stages}) > 1 and key[1] != "Namespace":
                yield _twice(key, stages)
    if not whole(repository):
        return
    owners: dict[tuple[str, str], Object] = {}
    for one in repository.of("ExternalSecret"):
        if dig(one.manifest, "spec", "target", "creationPolicy") not in (None, "Owner"):
            continue
        first = owners.setdefault((one.namespace, target(one)), one)
        if first.name != one.name:
            message = f"the Secret `{target(one)}` belongs to ExternalSecret {first.name} ({first.mark}) already"
            hints = ("let one of the two have another target; each overwrites what the other wrote",)
            yield fault(ID, ERROR, one, ("metadata", "name"), message, hints=hints)


def _twice(key: tuple[str, str, str, str], stages: list[Stage]) -> Finding:
    first, second = stages[0], next(stage for stage in stages if stage.id != stages[0].id)
    one, other = (_find(stage, key) for stage in (second, first))
    severity: Severity = WARNING if one.mark == other.mark else ERROR
    message = f"{second.id} applies it, and so does {first.id} ({other.mark})"
    hints = (
        "let one Kustomization have it: the two overwrite each other, and if one prunes, it deletes the other's",
        MOVED,
    )
    return fault(ID, severity, one, ("metadata", "name"), message, hints=hints)


def _find(stage: Stage, key: tuple[str, str, str, str]) -> Object:
    return next(one for one in stage.objects if (one.group, one.kind, one.namespace, one.name) == key)


RULE = Rule(
    ID,
    "an object has two owners",
    "When two Kustomizations apply one object, each undoes the other at every interval, and when one of them no "
    "longer names it, it prunes what the other still wants. The same holds for two ExternalSecrets that own one "
    "Secret: the second one never becomes ready. The rule sees owners within the repository; what a tool outside "
    "applies, it does not.",
    "Flux' kustomize-controller (inventories); external-secrets (creationPolicy Owner)",
    find,
    ("F61",),
)

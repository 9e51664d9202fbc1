"""Files with objects that no kustomization holds."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules.fields import WARNING, fault
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "orphan-file"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at the files below a kustomization that none names; each is told once."""
    files: dict[str, list[Object]] = {}
    for one in repository.orphans:
        files.setdefault(one.mark.file, []).append(one)
    for file, objects in files.items():
        more = f" and {len(objects) - 1} more" if len(objects) > 1 else ""
        message = f"no kustomization holds this file: nobody applies {objects[0].subject}{more}"
        hints = (f"add it to the `resources` of the kustomization above it: {file.rpartition('/')[2]}; or delete it",)
        yield fault(ID, WARNING, objects[0], (), message, hints=hints)


RULE = Rule(
    ID,
    "a file with objects stands in no kustomization",
    "Once a directory has a `kustomization.yaml`, only what it lists is applied. A file that was written and not "
    "listed is in Git, looks right, and is in no cluster; what needs its Secret or ConfigMap waits for ever.",
    "kustomize's documentation of resources; two rebirths that waited for a file which nobody listed",
    find,
    ("F118",),
)

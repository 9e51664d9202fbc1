"""Files with objects that no kustomization holds."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ephemeral_castle.manifests.kustomize.definition import NAMES
from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules.fields import NOTE, WARNING, fault
from ephemeral_castle.manifests.rules.resolving import whole
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "orphan-file"
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at the files below a kustomization that none names; each is told once."""
    files: dict[str, list[Object]] = {}
    for one in repository.orphans:
        files.setdefault(one.mark.file, []).append(one)
    for file, objects in files.items():
        if _is_listed(repository, file):
            continue
        more = f" and {len(objects) - 1} more" if len(objects) > 1 else ""
        message = f"no kustomization holds this file: nobody applies {objects[0].subject}{more}"
        above = _above(repository, file)
        entry = file.removeprefix(above.rpartition("/")[0]).lstrip("/")
        hints = (f"add `{entry}` to the `resources` of {above or 'the kustomization above it'}; or delete it",)
        severity = WARNING if whole(repository) else NOTE  # else perhaps somebody applies it by hand
        yield fault(ID, severity, objects[0], (), message, hints=hints)


def _above(repository: Repository, file: str) -> str:
    """The nearest kustomization above a file; "" where its text is not known."""
    directory = file
    while directory:
        directory = directory.rpartition("/")[0]
        for name in NAMES:
            if (path := f"{directory}/{name}".lstrip("/")) in repository.texts:
                return path
    return ""


def _is_listed(repository: Repository, file: str) -> bool:
    """Whether a kustomization above names it all the same: a component that no other one takes in."""
    directory, _, below = file.rpartition("/")
    while True:
        for name in KUSTOMIZATIONS:
            written = repository.texts.get(f"{directory}/{name}".lstrip("/"), "")
            if re.search(rf"(?<![\w.-]){re.escape(below)}(?![\w.-])", written):
                return True
        if not directory:
            return False
        directory, _, last = directory.rpartition("/")
        below = f"{last}/{below}"


RULE = Rule(
    ID,
    "a file with objects stands in no kustomization",
    "Once a directory has a `kustomization.yaml`, only what it lists is applied. A file that was written and not "
    "listed is in Git, looks right, and is in no cluster; what needs its Secret or ConfigMap waits for ever.",
    "kustomize's documentation of resources; two rebirths that waited for a file which nobody listed",
    find,
    ("F118",),
)

"""What was named and held nothing: a check of nothing is no proof, and most often a command before it has failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ephemeral_castle.cli.checking.reading import INPUT
from ephemeral_castle.manifests.kustomize.definition import NAMES
from ephemeral_castle.manifests.looking import may_hold_objects
from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.model.finding import Finding, Mark, Severity

RULE = "nothing-to-check"
_PIPE = ("did the command before the pipe fail? `set -o pipefail` stops a script there",)
_PATH = ("objects are read from .yaml, .yml and .json that name `apiVersion` and `kind`: is it the right place?",)


def nothing_below(repository: Repository, path: str, *, named: bool) -> Iterator[Finding]:
    """What is told of a directory without an object. `named`: by the person, who then expects one there."""
    if repository.objects or repository.faults:
        return
    held = any(may_hold_objects(each) for each in repository.texts.values())  # a component, which is no object yet
    sure = named and not held and not repository.unseen
    message = f"there is no object of Kubernetes in {path}"
    if sure:
        yield Finding(RULE, Severity.ERROR, message, Mark(path), _PATH)
    else:
        yield Finding(RULE, Severity.UNDECIDED, message, Mark(""))


def nothing_in(repository: Repository, files: Iterable[str]) -> Iterator[Finding]:
    """What is told of single files, and of standard input, that hold no object."""
    told = {each.mark.file for each in repository.objects}
    told |= {each.mark.file for each in (*repository.faults, *repository.unseen)}
    for file in files:
        if file not in told and Path(file).name not in NAMES:  # a kustomization without fault holds no object itself
            name, hints = ("standard input", _PIPE) if file == INPUT else (file, _PATH)
            yield Finding(RULE, Severity.ERROR, f"there is no object of Kubernetes in {name}", Mark(file), hints)

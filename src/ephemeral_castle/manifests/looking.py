"""Which files of a repository hold manifests, and which only look like it. Pure.

A file is read when its text names `apiVersion` and `kind`. A document of it is an object when it has both; values of
charts, workflows of CI and `castle.yaml` have not. Left out without a word: templates of charts (below a directory with
a `Chart.yaml`, or with `{{` where YAML breaks), and what tools read themselves (kubeadm, kind, skaffold, kustomize).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ephemeral_castle.manifests.files import Files
from ephemeral_castle.manifests.kustomize.definition import GROUP, NAMES
from ephemeral_castle.manifests.tree import Map, Seq, text
from ephemeral_castle.model.finding import Mark

SUFFIXES = (".yaml", ".yml", ".json")
CHART = "Chart.yaml"
OF_TOOLS = re.compile(
    r"(?:(?:[\w.-]*\.config|kubeadm|audit|client\.authentication)\.k8s\.io|kind\.x-k8s\.io|skaffold|k3d\.io)/.*"
    r"|v1alpha1"  # Talos
)
DEEPEST = 60  # directories


@dataclass
class Found:
    """The files below a directory. `kustomizations`: directories that have one."""

    manifests: list[str] = field(default_factory=list)
    kustomizations: list[str] = field(default_factory=list)


def look(files: Files, start: str) -> Found:
    """The files below a directory that may hold manifests, templates of charts left out."""
    found = Found()
    _walk(files, start, found, 0)
    return found


def _walk(files: Files, directory: str, found: Found, depth: int) -> None:
    names = files.list(directory) if depth < DEEPEST else ()
    if any(name in NAMES for name in names):
        found.kustomizations.append(directory)
    chart = CHART in names
    for name in names:
        path = f"{directory}/{name}" if directory else name
        if name.endswith("/"):
            if not (chart and name in ("templates/", "charts/")):
                _walk(files, path[:-1], found, depth + 1)
        elif name.endswith(SUFFIXES) and name not in NAMES and not chart:
            found.manifests.append(path)


def may_hold_objects(written: str) -> bool:
    """Whether a text is worth parsing."""
    return "apiVersion" in written and "kind" in written


def is_template(written: str) -> bool:
    """Whether a text that is no YAML was never meant to be."""
    return "{{" in written or "{%" in written


def items(value: Any, mark: Mark) -> Iterator[tuple[Any, Mark]]:
    """A document, or what is in the list that it is."""
    inside = value.get("items") if isinstance(value, Map) and text(value.get("kind")).endswith("List") else None
    if isinstance(inside, Seq):
        for each, at in zip(inside, inside.at, strict=True):
            yield from items(each, at)
    else:
        yield value, mark


def is_object(value: Any) -> bool:
    """Whether a document is meant for the API server."""
    if not isinstance(value, Map) or not value.get("apiVersion") or not value.get("kind"):
        return False
    api = text(value["apiVersion"])
    if api.startswith(GROUP):
        return False
    return isinstance(value.get("metadata"), Map) or not OF_TOOLS.fullmatch(api)

"""The real `kubectl kustomize`, and ours, on one tree."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ephemeral_castle.manifests.files import Memory
from ephemeral_castle.manifests.kustomize.rendering import Rendered, Renderer
from ephemeral_castle.manifests.kustomize.sources import Sources
from ephemeral_castle.manifests.load import roots
from ephemeral_castle.model.finding import Mark
from tests.kubernetes.control import programs

KUBECTL = programs().get("kubectl")
needed = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not built: scripts/kubernetes programs")
Tree = Mapping[str, str | bytes]


class Refused(Exception):
    """kubectl's words."""


def write(tree: Tree, root: Path) -> None:
    """Puts a tree on disk."""
    for path, content in tree.items():
        here = root / path
        here.parent.mkdir(parents=True, exist_ok=True)
        here.write_bytes(content.encode() if isinstance(content, str) else content)


def real(tree: Tree, directory: str = "") -> list[Any]:
    """What kubectl prints, read.

    Raises:
        Refused: it refuses the tree.
    """
    with tempfile.TemporaryDirectory() as name:
        write(tree, Path(name))
        return on_disk(Path(name) / directory)


def on_disk(directory: Path) -> list[Any]:
    """What kubectl prints of a directory."""
    done = subprocess.run(
        [str(KUBECTL), "kustomize", str(directory)], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        raise Refused(done.stderr)
    found, faults = roots(done.stdout)
    assert faults == []
    return [value for value, _ in found]


def ours(tree: Tree, directory: str = "") -> list[Any]:
    """What our renderer makes of it."""
    return [each.manifest for each in rendered(tree, directory).resources]


def rendered(tree: Tree, directory: str = "") -> Rendered:
    """The same with all that it knows."""
    renderer = Renderer(Sources(Memory(tree)))
    return renderer.render(renderer.define(directory, Mark(directory)))

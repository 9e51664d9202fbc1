"""Reads a tree of fixtures as a repository."""

from __future__ import annotations

import json
from pathlib import Path

from ephemeral_castle.manifests.load import read
from ephemeral_castle.manifests.repository import Object, Repository, Unit
from ephemeral_castle.manifests.rules.rule import Setting

HERE = Path(__file__).parent
MARK = "# <- here"


def texts(directory: Path) -> dict[str, str]:
    """The YAML files of a tree, by their path in it."""
    return {str(path.relative_to(directory)): path.read_text() for path in sorted(directory.rglob("*.yaml"))}


def repository(files: dict[str, str]) -> Repository:
    """The objects of plain files; Flux' Kustomizations apply what lies below their path."""
    objects = []
    for file, text in files.items():
        if file.startswith("talos/"):
            continue
        documents, faults = read(text, file)
        assert not faults, (file, faults)
        objects += [Object(document.manifest) for document in documents]
    units = [_unit(one) for one in objects if one.kind == "Kustomization" and one.group.startswith("kustomize.toolkit")]
    placed = tuple(Object(one.manifest, unit=_holder(one, units)) for one in objects)
    charts = tuple(one for one in placed if one.kind == "HelmRelease")
    return Repository(placed, tuple(units), charts=charts, texts=files)


def setting(directory: Path) -> Setting:
    """The `setting.json` of a tree, or what is usual."""
    path = directory / "setting.json"
    said = json.loads(path.read_text()) if path.exists() else {}
    if "living" in said:
        said["living"] = frozenset(said["living"])
    if "kubernetes" in said:
        said["kubernetes"] = tuple(said["kubernetes"])
    return Setting(**said)


def marked(files: dict[str, str]) -> set[tuple[str, int]]:
    """The lines that carry the mark."""
    lines = ((file, number, line) for file, text in files.items() for number, line in enumerate(text.splitlines(), 1))
    return {(file, number) for file, number, line in lines if line.rstrip().endswith(MARK)}


def _unit(one: Object) -> Unit:
    spec = one.manifest.get("spec") or {}
    needs = tuple(f"{each.get('namespace', one.namespace)}/{each['name']}" for each in spec.get("dependsOn") or ())
    return Unit(one, str(spec.get("path") or "").removeprefix("./"), needs)


def _holder(one: Object, units: list[Unit]) -> str:
    below = [unit for unit in units if one.mark.file.startswith(f"{unit.path}/")]
    best = max(below, key=lambda unit: len(unit.path), default=None)
    return f"{best.object.namespace}/{best.object.name}" if best else ""

"""The CRDs and controllers of Flux as the repository has them: read and judged before anything is touched. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ephemeral_castle.drivers.flux import flags
from ephemeral_castle.drivers.flux.vocabulary import GIT, KUSTOMIZATION, KUSTOMIZE, SOURCE
from ephemeral_castle.manifests import load
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.spi.world import File

LISTS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
YAML = (".yaml", ".yml")
HARMLESS = ("apiVersion", "kind", "metadata", "resources")
NEEDED = ("kustomizations.kustomize.toolkit.fluxcd.io", "gitrepositories.source.toolkit.fluxcd.io")
CONTROLLER = "kustomize-controller"
OF_FLUX, UNIT = b"kustomize.toolkit.fluxcd.io", re.compile(rb'(?m)^kind:\s*Kustomization\b|"kind":\s*"Kustomization"')


@dataclass
class Components:
    """What was read.

    Attributes:
        objects: what castle applies, in the order of the files.
        sync: GitRepositories and Kustomizations of Flux among the files: what Flux is to do, not what it is.
        wrong: what stops the run, each with file, line and column.
        told: what a person should know.
    """

    objects: list[Manifest] = field(default_factory=list)
    sync: list[Manifest] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def of_sync(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """The GitRepository or Kustomization of that name."""
        found = (each for each in self.sync if each["kind"] == kind and each["metadata"]["name"] == name)
        return next((each for each in found if each["metadata"].get("namespace", namespace) == namespace), None)

    @property
    def deployments(self) -> list[Manifest]:
        """The controllers."""
        return list(flags.controllers(self.objects))


def read(files: Mapping[str, File], folder: str) -> Components:
    """Reads a directory as kustomize would, as far as files and `resources` go.

    Args:
        files: of the directory, by path relative to it.
        folder: its path in the repository, for messages.
    """
    found = Components()
    places: dict[Ref, str] = {}
    for path in _resources(files, "", folder, found):
        documents, faults = load.read(_text(files[path], f"{folder}/{path}", found))
        found.wrong += [_said(f"{folder}/{path}", fault) for fault in faults]
        for each in documents:
            _take(each, f"{folder}/{path}:{each.line}", places, found)
    if not found.wrong:
        found.wrong += _missing(found, folder)
    return found


def _take(document: load.Document, place: str, places: dict[Ref, str], found: Components) -> None:
    ref = Ref.of(document.manifest)
    if ref in places:
        found.wrong.append(f"{place}: {ref} stands here a second time; the first is {places[ref]}")
        return
    places[ref] = place
    sync = (ref.api.startswith(SOURCE.split("/")[0]) and ref.kind == GIT) or (
        ref.api.startswith(KUSTOMIZE.split("/")[0]) and ref.kind == KUSTOMIZATION
    )
    (found.sync if sync else found.objects).append(document.manifest)


def _missing(found: Components, folder: str) -> Iterator[str]:
    names = {each["metadata"]["name"] for each in found.objects if each["kind"] == "CustomResourceDefinition"}
    hint = "`flux install --export` writes all of it"
    for name in NEEDED:
        if name not in names:
            yield f"{folder}: it has no CRD `{name}` ({hint})"
    if CONTROLLER not in {each["metadata"]["name"] for each in found.deployments}:
        yield f"{folder}: it has no Deployment `{CONTROLLER}` ({hint})"


def _resources(files: Mapping[str, File], below: str, folder: str, found: Components) -> Iterator[str]:
    """Files to read: those that a kustomization.yaml names, or, without one, all."""
    name = next((posixpath.join(below, each) for each in LISTS if posixpath.join(below, each) in files), "")
    if not name:
        inside = f"{below}/" if below else ""
        yield from (path for path in sorted(files) if path.startswith(inside) and path.endswith(YAML))
        return
    value, faults = load.plain(_text(files[name], f"{folder}/{name}", found))
    found.wrong += [_said(f"{folder}/{name}", fault) for fault in faults]
    if not isinstance(value, dict):
        return
    _others(value, f"{folder}/{name}", found)
    for each in value.get("resources") or ():
        path = posixpath.normpath(posixpath.join(below, str(each)))
        if path in files:
            yield path
        elif not path.startswith("..") and any(other.startswith(f"{path}/") for other in files):
            yield from _resources(files, path, folder, found)
        else:
            text = f"`{each}` is no file or directory below this one; castle reads nothing from elsewhere"
            found.wrong.append(f"{folder}/{name}: {text}")


def _others(value: Mapping[str, Any], place: str, found: Components) -> None:
    more = [key for key in value if key not in HARMLESS and value[key]]
    if more:
        text = f"castle applies the files without `{'`, `'.join(more)}`; Flux does so when it comes to this directory"
        found.told.append(f"{place}: {text}")


def _text(file: File, place: str, found: Components) -> str:
    try:
        return file.content.decode()
    except UnicodeDecodeError:
        found.wrong.append(f"{place}: the file is not UTF-8")
        return ""


def _said(place: str, fault: load.Fault) -> str:
    where = f"{place}:{fault.line}:{fault.column}" if fault.line else place
    return f"{where}: {fault.message}" + (f" ({fault.hint})" if fault.hint else "")


def units_in(files: Mapping[str, File]) -> int:
    """How many units the files below the root's path define; a guess: what these apply in turn is not looked for."""
    texts = (file.content for path, file in files.items() if path.endswith(YAML))
    return sum(len(UNIT.findall(text)) for text in texts if OF_FLUX in text)

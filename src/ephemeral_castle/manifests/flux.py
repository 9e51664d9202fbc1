"""What a Kustomization of Flux does before and after kustomize: its own overlay, and where its values come from. Pure.

Source: github.com/fluxcd/pkg/kustomize 1.35 (kustomize_generator.go, kustomize_varsub.go), kustomize-controller 1.9.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ephemeral_castle.manifests.files import Files, joined
from ephemeral_castle.manifests.kustomize.definition import NAMES, Definition, define
from ephemeral_castle.manifests.repository import Object, Unit
from ephemeral_castle.manifests.substitution import NAME, Undecided, Variables
from ephemeral_castle.manifests.tree import Map, Seq, text
from ephemeral_castle.model.finding import Mark

GROUP, KIND = "kustomize.toolkit.fluxcd.io", "Kustomization"
OWN = "flux-system"  # the source that `flux bootstrap` and Flux' operator make of the repository
IGNORED = (".github", ".circleci", ".sops.yaml", ".flux.yaml", ".travis.yml", ".drone.yml", ".goreleaser.yml")
Find = Callable[[str, str, str], list[Object]]  # kind, namespace, name: the objects of the repository


def is_unit(manifest: Any) -> bool:
    """Whether a document is a Kustomization of Flux."""
    if not isinstance(manifest, Map) or manifest.get("kind") != KIND:
        return False
    return text(manifest.get("apiVersion")).startswith(f"{GROUP}/")


def unit(found: Object, files: Files) -> Unit:
    """What a Kustomization of Flux applies; `path` is "" where it is no directory of this repository."""
    spec = _map(found.manifest, "spec")
    written = text(spec.get("path")) or "."
    path = joined("", written.removeprefix("/"))
    here = path is not None and files.is_directory(path) and bool(path or _is_own(spec))
    needs = (each for each in _list(spec, "dependsOn") if isinstance(each, Map))
    names = (f"{text(each.get('namespace')) or found.namespace}/{text(each.get('name'))}" for each in needs)
    return Unit(found, (path or ".") if here else "", tuple(names))


def _is_own(spec: Map) -> bool:
    """Whether a source is surely this repository: every other one has a root directory, too."""
    source = _map(spec, "sourceRef")
    return text(source.get("kind")) == "GitRepository" and text(source.get("name")) == OWN


def overlay(found: Object, path: str, base: Definition | None, files: Files) -> Definition:
    """The kustomization that Flux renders for a unit.

    Args:
        found: the unit.
        path: its directory.
        base: the kustomization there; None where there is none: Flux then takes every manifest below.
        files: of the repository.

    Raises:
        Broken: a field of the unit has not the type that kustomize wants.
    """
    spec = _map(found.manifest, "spec")
    mark = spec.at.get("path", spec.begin)
    tree = Map(base.tree.begin if base else mark)
    for key, value in (base.tree if base else {}).items():
        tree.put(key, value, base.tree.named[key], base.tree.at[key])  # type: ignore[union-attr]
    if base is None:
        resources = Seq(mark)
        for each in manifests_below(files, path):
            resources.add(each[len(path) + 1 :] if path else each, mark)
        tree.put("resources", resources, mark)
    for key, name in (("targetNamespace", "namespace"), ("namePrefix", "namePrefix"), ("nameSuffix", "nameSuffix")):
        if spec.get(key):
            tree.put(name, text(spec[key]), spec.named[key], spec.at[key])
    for key in ("patches", "components"):
        _append(tree, key, _wanted(spec, key, path, files))
    _images(tree, spec)
    return define(tree, mark, path, base.file if base else mark.file)


def _wanted(spec: Map, key: str, path: str, files: Files) -> Iterator[tuple[Any, Mark]]:
    lenient = bool(spec.get("ignoreMissingComponents"))
    for each, at in _placed(spec, key):
        if key == "components":
            full = joined(path, text(each))
            if lenient and (full is None or not files.is_directory(full)):
                continue
        yield each, at


def _append(tree: Map, key: str, more: Iterator[tuple[Any, Mark]]) -> None:
    added = list(more)
    if added:
        made = Seq(tree.at.get(key, added[0][1]))
        for each, at in (*_placed(tree, key), *added):
            made.add(each, at)
        tree.put(key, made, tree.named.get(key, made.begin), made.begin)


def _images(tree: Map, spec: Map) -> None:
    """Flux' images go over those of the same name in the file."""
    own = list(_placed(tree, "images"))
    for image, at in _placed(spec, "images"):
        if not isinstance(image, Map):
            continue  # its schema says so
        number = next((n for n, (each, _) in enumerate(own) if each.get("name") == image.get("name")), None)
        if number is None:
            own.append((image, at))
            continue
        merged = Map(at)
        dropped = ("newTag", "digest") if image.get("newTag") or image.get("digest") else ()
        for source in (own[number][0], image):
            for key, value in source.items():
                if value and not (source is not image and key in dropped):
                    merged.put(key, value, source.named[key], source.at[key])
        own[number] = (merged, at)
    if own:
        made = Seq(own[0][1])
        for each, at in own:
            made.add(each, at)
        tree.put("images", made, made.begin)


def manifests_below(files: Files, directory: str) -> Iterator[str]:
    """The manifests that Flux finds in a directory without a kustomization; one below that has one is taken whole."""
    for name in files.list(directory):
        path = f"{directory}/{name}" if directory else name
        if name.rstrip("/") in IGNORED:
            continue
        if not name.endswith("/"):
            if name.endswith((".yaml", ".yml")):
                yield path
        elif any(files.is_file(f"{path}{each}") for each in NAMES):
            yield path.rstrip("/")
        else:
            yield from manifests_below(files, path.rstrip("/"))


def common_metadata(manifest: Map, found: Object) -> None:
    """Puts a unit's `commonMetadata` on an object."""
    common = _map(_map(found.manifest, "spec"), "commonMetadata")
    for key in ("labels", "annotations"):
        wanted = _map(common, key)
        meta = manifest.get("metadata")
        if wanted and isinstance(meta, Map):
            if not isinstance(meta.get(key), Map):
                meta.put(key, Map(wanted.begin), wanted.begin)
            for name, value in wanted.items():
                meta[key].put(name, value, wanted.named[name], wanted.at[name])


def variables(found: Object, find: Find) -> Variables | None:
    """What a unit fills in; None where it fills in nothing."""
    build = _map(found.manifest, "spec").get("postBuild")
    if not isinstance(build, Map):
        return None
    values: dict[str, tuple[str, Mark]] = {}
    is_open = perhaps = False
    for source in _list(build, "substituteFrom"):
        if not isinstance(source, Map):
            continue
        there = find(text(source.get("kind")), found.namespace, text(source.get("name")))
        optional = bool(source.get("optional"))
        is_open, perhaps = is_open or not (there or optional), perhaps or (optional and not there)
        values.update(_agreed([dict(_data(each.manifest)) for each in there]))
    for name, value in _map(build, "substitute").items():
        values[name] = (_line(value), _map(build, "substitute").at[name])
    if not values and not is_open and not perhaps and build.get("substituteStrategy") != "Always":
        return None  # Flux does not even look for variables then
    return Variables({name: value for name, value in values.items() if NAME.fullmatch(name)}, is_open, perhaps)


def _agreed(found: list[Mapping[str, tuple[str, Mark]]]) -> dict[str, tuple[str, Mark]]:
    """Values of an object that several sites make: nobody knows those that differ."""
    made: dict[str, tuple[str, Mark]] = {}
    for each in found:
        for name, (value, mark) in each.items():
            same = all(name in other and other[name][0] == value for other in found)
            made[name] = (value if same else Undecided(value), mark)
    return made


def _data(manifest: Map) -> Iterator[tuple[str, tuple[str, Mark]]]:
    data, plain = _map(manifest, "data"), _map(manifest, "stringData")
    for name, value in data.items():
        yield name, (_decoded(value) if manifest.get("kind") == "Secret" else _line(value), data.at[name])
    for name, value in plain.items():
        yield name, (_line(value), plain.at[name])


def _line(value: Any) -> str:
    return value if isinstance(value, Undecided) else text(value).replace("\n", "")


def _decoded(value: Any) -> str:
    if isinstance(value, Undecided):
        return value
    try:
        return _line(base64.b64decode(text(value), validate=False).decode())
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return Undecided(text(value))


def _map(value: Map, key: str) -> Map:
    found = value.get(key)
    return found if isinstance(found, Map) else Map(value.begin)


def _list(value: Map, key: str) -> list[Any]:
    found = value.get(key)
    return found if isinstance(found, Seq) else []


def _placed(value: Map, key: str) -> Iterator[tuple[Any, Mark]]:
    found = value.get(key)
    return zip(found, found.at, strict=True) if isinstance(found, Seq) else iter(())

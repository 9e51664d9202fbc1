"""Kustomizations that are not rendered here: by kubectl, where it is there, else as far as their files go. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from ephemeral_castle.manifests.files import Unreadable, joined
from ephemeral_castle.manifests.kustomize.definition import NAMES
from ephemeral_castle.manifests.kustomize.faults import Broken, NotRendered
from ephemeral_castle.manifests.kustomize.naming import into
from ephemeral_castle.manifests.kustomize.rendering import Renderer
from ephemeral_castle.manifests.kustomize.resource import Resource
from ephemeral_castle.manifests.kustomize.sources import Sources
from ephemeral_castle.manifests.load import roots
from ephemeral_castle.manifests.looking import items
from ephemeral_castle.manifests.ports import PortFailed
from ephemeral_castle.manifests.repository import Object
from ephemeral_castle.manifests.tree import Map, Seq, placed, text
from ephemeral_castle.model.finding import Finding, Mark, Severity

Chain = tuple[Mark, ...]


def elsewhere(
    error: NotRendered, directory: str, sources: Sources, kubectl: Callable[[str], str] | None
) -> tuple[Finding, list[Object] | None]:
    """What kubectl makes of a kustomization, with what there is to tell; None where nobody rendered it.

    Args:
        error: why it is not rendered here.
        directory: of the kustomization.
        sources: of the repository.
        kubectl: the port; None where there is none.
    """
    what = f"{error.what} is not rendered by castle"
    if kubectl is None:
        hint = "with kubectl on this computer castle asks it; until then its objects are judged as they are written"
        return Finding("kustomization-not-rendered", Severity.UNDECIDED, what, error.mark, (hint,)), None
    try:
        found, faults = roots(kubectl(directory), words=False)
    except PortFailed as failed:
        said = " ".join(str(failed).split())
        return Finding("kustomization", Severity.ERROR, what, error.mark, says=said), None
    if faults:
        return Finding("kustomization-not-rendered", Severity.UNDECIDED, what, error.mark), None
    where = _written(directory, sources)
    objects = [
        Object(placed(value, mark), chain)
        for value, _ in found
        if isinstance(value, Map)
        for mark, chain in [where.get(_name(value), (error.mark, ()))]
    ]
    note = f"{what}; kubectl did it, and places are those of whole objects"
    return Finding("kustomization-by-kubectl", Severity.NOTE, note, error.mark), objects


def held(directory: str, sources: Sources) -> Iterator[tuple[str, Chain]]:
    """The files with objects that a kustomization holds, as far as they are there, with the lines that include them."""
    yield from _held(directory, sources, (), {directory})


def spaced(value: Map, chain: Chain, sources: Sources) -> Map:
    """An object as it is written, in the namespace that the outermost kustomization which names one puts it into."""
    for mark in chain:
        for found, _ in sources.documents(mark.file, words=True).roots[:1]:
            space = found.get("namespace") if isinstance(found, Map) and mark.file.endswith(NAMES) else None
            if isinstance(space, str) and space:
                with suppress(Broken):  # an object without a place for it; what is wrong with it is told already
                    into(Resource(value), space, found.at["namespace"])
                return value
    return value


def _held(directory: str, sources: Sources, chain: Chain, seen: set[str]) -> Iterator[tuple[str, Chain]]:
    for path, mark in _included(directory, sources):
        full = joined(directory, path)
        if full is None or full in seen:
            continue
        seen.add(full)
        if sources.files.is_file(full):
            try:
                sources.documents(full)
            except (Unreadable, FileNotFoundError):
                continue
            yield full, (*chain, mark)
        elif sources.files.is_directory(full):
            yield from _held(full, sources, (*chain, mark), seen)


def _included(directory: str, sources: Sources) -> Iterator[tuple[str, Mark]]:
    """What a kustomization includes, also where something else is wrong with it."""
    renderer = Renderer(sources)
    try:
        yield from renderer.define(directory, Mark(directory)).each("resources", "bases", "components")
    except (Broken, NotRendered):
        for path in (f"{directory}/{name}".lstrip("/") for name in ("kustomization.yaml", "kustomization.yml")):
            if sources.files.is_file(path):
                yield from _listed(sources, path)


def _listed(sources: Sources, path: str) -> Iterator[tuple[str, Mark]]:
    try:
        found = sources.documents(path, words=True).roots
    except (Unreadable, FileNotFoundError):
        return
    for value, _ in found[:1]:
        for key in ("resources", "bases", "components"):
            entries = value.get(key) if isinstance(value, Map) else None
            if isinstance(entries, Seq):
                yield from ((each, at) for each, at in zip(entries, entries.at, strict=True) if isinstance(each, str))


def _written(directory: str, sources: Sources) -> dict[tuple[str, str], tuple[Mark, Chain]]:
    """Where objects stand in the files, by kind and name."""
    return {
        _name(each): (mark, chain)
        for path, chain in held(directory, sources)
        for value, begin in sources.documents(path).roots
        for each, mark in items(value, begin)
        if isinstance(each, Map)
    }


def _name(value: Map) -> tuple[str, str]:
    meta = value.get("metadata")
    return text(value.get("kind")), text(meta.get("name")) if isinstance(meta, Map) else ""

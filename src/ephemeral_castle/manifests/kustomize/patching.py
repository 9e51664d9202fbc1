"""`patches`, `patchesStrategicMerge` and `patchesJson6902`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ephemeral_castle.manifests.kustomize import jsonpatch
from ephemeral_castle.manifests.kustomize.faults import Broken
from ephemeral_castle.manifests.kustomize.identity import Id
from ephemeral_castle.manifests.kustomize.merging import merge
from ephemeral_castle.manifests.kustomize.resource import Resource, Resources, as_texts, words
from ephemeral_castle.manifests.kustomize.selecting import select
from ephemeral_castle.manifests.tree import Map, Seq, copied
from ephemeral_castle.model.finding import Mark

Read = Callable[[Mark, str, str], list[tuple[Any, Mark]]]  # place, path or "", inline text or "": its documents


class Patch(NamedTuple):
    """A patch that was read. `name`: how kubectl names it."""

    documents: list[tuple[Any, Mark]]
    target: Map | None
    options: Map
    name: str
    mark: Mark


def read(entry: Map, load: Read) -> Patch:
    """A patch from an entry of `patches` or `patchesJson6902`.

    Raises:
        Broken: it has no text or two, or the text is no patch.
    """
    inline, path = (entry.get("patch") or "").strip(), entry.get("path") or ""
    if bool(inline) == bool(path):
        says = "must specify one of patch and path" if not inline else "patch and path can't be set at the same time"
        raise Broken("a patch is either `path` or `patch`", entry.begin, says)
    mark = entry.at["path" if path else "patch"]
    found = load(mark, path, entry.get("patch") or "")
    name = f'[path: "{path}"]' if path else f"[patch: {inline.splitlines()[0]!r}...]"
    patch = Patch(found, entry.get("target"), entry.get("options") or Map(), name, mark)
    if not all(_is_object(value) for value, _ in found) and not _is_json(patch):
        says = f"unable to parse SM or JSON patch from {name}"
        hint = "it is a list of operations, or an object with `apiVersion`, `kind` and `metadata.name`"
        raise Broken("this is no patch", found[0][1] if found and path else mark, says, hint)
    return patch


def _is_json(patch: Patch) -> bool:
    return len(patch.documents) == 1 and isinstance(patch.documents[0][0], Seq)


def _is_object(value: Any) -> bool:
    meta = value.get("metadata") if isinstance(value, Map) else None
    return isinstance(meta, Map) and bool(value.get("kind")) and bool(meta.get("name"))


def apply(resources: Resources, patch: Patch) -> bool:
    """Applies a patch of either sort. Whether it met anything.

    Raises:
        Broken: it does not fit what it is for.
    """
    if not patch.documents:
        return True
    if _is_json(patch):
        return operations(resources, patch, remember=True)
    if patch.target is None:
        for value, mark in patch.documents:
            one(resources, value, mark, patch.options, patch.name)
        return True
    if len(patch.documents) > 1:
        says = "Multiple Strategic-Merge Patches in one `patches` entry is not allowed to set `patches.target` field"
        raise Broken("a patch of several documents has no `target`", patch.documents[1][1], f"{says}: {patch.name}")
    chosen = select(resources, patch.target)
    for each in chosen:
        value = written_anew(patch.documents[0][0])
        value.put("apiVersion", each.api, value.begin)
        _merge(each, value, patch.options)
    _drop_deleted(resources)
    return bool(chosen)


def operations(resources: Resources, patch: Patch, *, remember: bool) -> bool:
    """Applies a JSON patch. `remember`: references follow a name that it changes. Whether it met anything."""
    if patch.target is None:
        says = f"must specify a target for JSON patch {patch.name}"
        raise Broken("a JSON patch needs a `target`", patch.mark, says)
    chosen = select(resources, patch.target)
    for each in chosen:
        if remember:
            each.remember()
        _with_annotations(each)
        jsonpatch.apply(each.manifest, patch.documents[0][0])
        if not isinstance(each.meta.get("annotations"), Map):
            each.meta.drop("annotations")
        each.shared = []  # kustomize writes the object anew there
    resources.reindex()
    return bool(chosen)


def _with_annotations(resource: Resource) -> None:
    """Makes annotations where there are none: kustomize keeps its own notes there, and operations find them."""
    noted = resource.earlier or resource.prefixes or resource.suffixes or resource.hashed or resource.behavior
    if noted and resource.meta.get("annotations") is None:
        begin = resource.meta.begin
        resource.meta.put("annotations", Map(begin), begin)


def one(resources: Resources, value: Map, mark: Mark, options: Map, name: str = "") -> None:
    """Merges a patch into the one resource that it names.

    Raises:
        Broken: there is none, or there are several.
    """
    wanted = Resource(value).id
    found = resources.by_any_id(wanted.same)
    if len(found) != 1:
        what = "no matches" if not found else "multiple matches"
        says = f"{what} for Id {wanted}; failed to find unique target for patch {wanted}"
        if name:
            says = f'no resource matches strategic merge patch "{wanted}": {says}'
        message = f"there is no {words(wanted)} to patch" if not found else f"there are several {words(wanted)}"
        raise Broken(message, value.at["metadata"] if name else mark, says, _near(wanted, resources.list))
    _merge(found[0], value, options)
    _drop_deleted(resources)


def written_anew(value: Map) -> Map:
    """A copy of a patch, as kustomize makes it where one patch may meet several objects."""
    made: Map = copied(value)
    for key in ("labels", "annotations"):
        as_texts(made["metadata"], key)
    return made


def _near(wanted: Id, resources: Sequence[Resource]) -> str:
    """The resource that was probably meant: of that name, but of another namespace or version."""
    for each in resources:
        if each.kind == wanted.kind and wanted.name in {one.name for one in each.ids}:
            return f"there is {each.api} {words(each.id)}, from {each.manifest.begin}"
    return ""


def _merge(resource: Resource, value: Map, options: Map) -> None:
    manifest, meta = resource.manifest, resource.meta
    kept = [(meta, key, meta[key], meta.named[key], meta.at[key]) for key in ("name", "namespace") if key in meta]
    kind = (manifest["kind"], manifest.named["kind"], manifest.at["kind"])
    spaced = "namespace" in meta
    if options.get("allowNameChange") or options.get("allowKindChange"):
        resource.remember()
    merged = merge(manifest, value)
    if merged is None:
        resource.manifest = Map(manifest.begin)
        return
    if not options.get("allowKindChange"):
        merged.put("kind", *kind)
    for holder, key, old, named, at in kept:
        if key == "namespace" or not options.get("allowNameChange"):
            holder.put(key, old, named, at)
    if not spaced:
        resource.meta.drop("namespace")
    resource.settle()


def _drop_deleted(resources: Resources) -> None:
    resources.keep(lambda each: bool(each.manifest))

"""`labels`, `commonLabels`, `commonAnnotations`, `images` and `replicas`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ephemeral_castle.manifests.kustomize.faults import Broken, NotRendered
from ephemeral_castle.manifests.kustomize.fields import Place, Spec, places, split
from ephemeral_castle.manifests.kustomize.identity import parted
from ephemeral_castle.manifests.kustomize.resource import Resource, Resources, Shared
from ephemeral_castle.manifests.kustomize.selecting import pattern
from ephemeral_castle.manifests.kustomize.specs import COMMON_LABELS, IMAGES, METADATA_LABELS, REPLICAS
from ephemeral_castle.manifests.tree import Map, Seq, text
from ephemeral_castle.model.finding import Mark

TAG, DIGEST = r"(:[a-zA-Z0-9_.{}-]*)?", r"(@sha256:[a-zA-Z0-9_.{}-]*)?"
LONGEST = 60  # parts of a path
METADATA = Spec(("metadata", "labels"), create=True)


def mark_all(resources: Resources, pairs: Map, specs: Sequence[Spec]) -> None:
    """Puts labels or annotations into all fields of a list of them."""
    for each in resources if pairs else ():
        new: dict[str, list[tuple[Map, str]]] = {key: [] for key in pairs}
        for spec in _of(specs, each):
            for place in places(each.manifest, spec.path, Map if spec.create else None, pairs.begin):
                if isinstance(place.value, Map):
                    _mark(place.value, pairs, new)
                elif place.value is not None:
                    says = f"considering field '{'/'.join(spec.path)}': wrong node kind: expected MappingNode"
                    raise Broken(f"`{spec.path[-1]}` is no mapping", place.at, says)
        each.settle()
        each.shared += [Shared(pairs[key], held) for key, held in new.items() if len(held) > 1]


def _mark(holder: Map, pairs: Map, new: dict[str, list[tuple[Map, str]]]) -> None:
    for key in sorted(pairs):
        if key not in holder:
            new[key].append((holder, key))
        holder.put(key, pairs[key], pairs.named[key], pairs.at[key])


def specs_of(entry: Map) -> list[Spec]:
    """Where the labels of an entry of `labels` go.

    Raises:
        Broken: one field is wanted with and without being made.
    """
    found = [_spec(each) for each in entry.get("fields") or ()]
    if entry.get("includeSelectors"):
        more = COMMON_LABELS
    else:
        more = [*(METADATA_LABELS if entry.get("includeTemplates") else ()), METADATA]
    for each in more:
        same = [one for one in found if one.path == each.path and each.fits(one.group, one.version, one.kind)]
        if not same:
            found.append(each)
        elif same[0].create != each.create:
            says = "failed to merge labels: conflicting fieldspecs"
            raise Broken(f"`{'/'.join(each.path)}` is wanted with and without `create`", entry.begin, says)
    return found


def _spec(entry: Map) -> Spec:
    kind = {key: entry.get(key) or "" for key in ("kind", "group", "version")}
    path = split(entry.get("path") or "")
    if len(path) > LONGEST:
        raise NotRendered(f"a path of {len(path)} parts", entry.begin)
    return Spec(path, **kind, create=bool(entry.get("create")))


def _of(specs: Sequence[Spec], resource: Resource) -> list[Spec]:
    group, version = parted(resource.api)
    kind = resource.kind
    return [each for each in specs if each.fits(group, version, kind)]


def image(resources: Resources, entry: Map) -> None:
    """Gives images another name, tag or digest."""
    wanted = entry.get("name") or ""
    named = pattern(wanted, entry.at.get("name", entry.begin))
    whole = re.compile(f"{named.pattern}{TAG}{DIGEST}")
    mark = next((entry.at[key] for key in ("newTag", "digest", "newName", "tagSuffix") if entry.get(key)), entry.begin)
    for each in resources:
        if each.kind == "CustomResourceDefinition":
            continue
        known = [place for spec in IMAGES for place in places(each.manifest, spec.path)]
        for place in (*_anywhere(each.manifest), *known):  # kustomize goes both ways: a suffix comes twice
            if isinstance(place.value, dict | list):
                raise Broken("an image is a text", place.at, "wrong node kind: expected ScalarNode")
            value = text(place.value)
            if place.value is not None and whole.fullmatch(value):
                place.put(_named(value, entry), mark)


def _anywhere(value: Any) -> Iterator[Place]:
    """The images of all lists that are called `containers` or `initContainers`, wherever they are."""
    if isinstance(value, Map):
        for key, each in value.items():
            if isinstance(each, dict | list):
                yield from _anywhere(each)
            if key in ("containers", "initContainers") and isinstance(each, Seq):
                yield from (Place(one, "image") for one in each if isinstance(one, Map) and "image" in one)
    elif isinstance(value, Seq):
        for each in value:
            yield from _anywhere(each)


def _named(value: str, entry: Map) -> str:
    name, tag, digest = _parts(value)
    name = entry.get("newName") or name
    new_tag, new_digest, suffix = (entry.get(key) or "" for key in ("newTag", "digest", "tagSuffix"))
    if new_tag or new_digest:
        tag, digest = new_tag, new_digest
    elif suffix:
        tag, digest = tag + suffix, ""
    return name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")


def _parts(value: str) -> tuple[str, str, str]:
    """Name, tag and digest; a colon before the first slash belongs to a port."""
    slash = max(value.find("/"), 0)
    rest, _, digest = value[slash:].partition("@")
    name, _, tag = rest.partition(":")
    return value[:slash] + name, tag, digest


def replicas(resources: Resources, entry: Map) -> None:
    """Sets the replicas of the workloads of a name.

    Raises:
        Broken: there is none.
    """
    name, mark = entry.get("name") or "", entry.at.get("count", entry.begin)
    found = False
    for spec in REPLICAS:
        for each in resources.by_any_id(lambda one, kind=spec.kind: one.name == name and one.kind == kind):  # type: ignore[misc]
            found = True
            if each.kind == spec.kind:
                _count(each, spec, entry.get("count") or 0, mark)
    if not found:
        kinds = " ".join(f"{each.kind}.[noVer].[noGrp]" for each in REPLICAS)
        says = f"resource with name {name} does not match a config with the following GVK [{kinds}]"
        raise Broken(f"no workload is called `{name}`", entry.at.get("name", entry.begin), says)


def _count(resource: Resource, spec: Spec, count: int, mark: Mark) -> None:
    for place in places(resource.manifest, spec.path, 0, mark):
        place.put(count, mark)

"""`replacements`: a value of one resource, copied to fields of others. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ephemeral_castle.manifests.kustomize.faults import Broken, NotRendered
from ephemeral_castle.manifests.kustomize.fields import Place
from ephemeral_castle.manifests.kustomize.identity import Id
from ephemeral_castle.manifests.kustomize.resource import Resource, Resources
from ephemeral_castle.manifests.kustomize.selecting import by_labels, pattern, selector
from ephemeral_castle.manifests.scalars import NoNumber, meaning
from ephemeral_castle.manifests.tree import Map, Seq, copied, text
from ephemeral_castle.model.finding import Mark

NAME = "metadata.name"
LONGEST = 60  # parts of a path


def replace(resources: Resources, entry: Map) -> None:
    """One replacement.

    Raises:
        Broken: its source or one of its targets is not there.
        NotRendered: it reaches into a text that holds YAML or JSON.
    """
    source, given = entry.get("source"), entry.get("sourceValue")
    if (source is None) == (given is None) or not entry.get("targets"):
        says = "replacements must specify a source and at least one target"
        if source is not None and given is not None:
            says = "value and resource selectors are mutually exclusive"
        raise Broken("a replacement has one source, and targets", entry.begin, says)
    value, at = (given, entry.at["sourceValue"]) if source is None else _source(resources, source)
    for target in entry["targets"]:
        _target(resources, target, value, at)


def split(path: str) -> list[str]:
    r"""The parts of `spec.containers.[name=a.b].image`; `\.` is a dot."""
    parts: list[str] = []
    for part in path.lstrip(".").split("."):
        if parts and (parts[-1].endswith("\\") or (parts[-1].startswith("[") and not parts[-1].endswith("]"))):
            parts[-1] = f"{parts[-1].removesuffix(chr(92))}.{part}"
        else:
            parts.append(part)
    return [part.strip("[]") if part.startswith("[") and "=" not in part else part for part in parts]


def _ids(resource: Resource) -> list[Id]:
    return [each._replace(cluster=False) for each in resource.ids]


def _source(resources: Resources, source: Map) -> tuple[Any, Mark]:
    keys = ("group", "version", "kind", "name", "namespace")
    group, version, kind, name, namespace = (source.get(key) or "" for key in keys)
    space = Id("", "", "", "", namespace).space
    found = [
        each
        for each in resources
        if any(
            one.is_of(group, version, kind) and name in ("", one.name) and (not namespace or one.space == space)
            for one in _ids(each)
        )
    ]
    words = str(Id(group, version, kind, name, namespace))
    if len(found) != 1:
        says = f"nothing selected by {words}" if not found else f"multiple matches for selector {words}"
        raise Broken("the source of a replacement is exactly one resource", source.begin, says)
    path = source.get("fieldPath") or NAME
    mark = source.at.get("fieldPath", source.begin)
    place = next(_places(found[0].manifest, split(path), create=False, mark=mark, searching=False), None)
    if place is None or place.value is None or place.value in ({}, []):
        says = f"fieldPath `{path}` is missing for replacement source {words}"
        raise Broken(f"the source has no `{path}`", mark, says)
    return _refined(place.value, source, path), place.at


def _refined(value: Any, source: Map, path: str) -> Any:
    options = source.get("options") or Map()
    if not options.get("delimiter"):
        return value
    if isinstance(value, dict | list):
        raise Broken(f"`{path}` is no text", options.begin, "delimiter option can only be used with scalar nodes")
    parts, index = text(value).split(options["delimiter"]), options.get("index") or 0
    if not 0 <= index < len(parts):
        says = f"options.index {index} is out of bounds for value {text(value)}"
        raise Broken(f"`{path}` has no part {index}", options.begin, says)
    return parts[index]


def _target(resources: Resources, target: Map, value: Any, at: Mark) -> None:
    chosen = target.get("select")
    if chosen is None:
        raise Broken("a target needs `select`", target.begin, "target must specify resources to select")
    wanted, marked = selector(chosen), by_labels(chosen)
    rejected = [(selector(each), by_labels(each), each) for each in target.get("reject") or ()]
    for resource in resources:
        if not marked(resource) or not wanted(_ids(resource)):
            continue
        if any(_rejects(each, resource) for each in rejected):
            continue
        paths = target.get("fieldPaths") or [NAME]
        places = target.at.get("fieldPaths", target.begin)
        for number, path in enumerate(paths):
            mark = paths.at[number] if isinstance(paths, Seq) else places
            _copy(resource, (path, mark), target.get("options") or Map(), value, at)


def _rejects(reject: tuple[Any, Any, Map], resource: Resource) -> bool:
    by_id, by_label, entry = reject
    labels = bool(entry.get("labelSelector") or entry.get("annotationSelector"))
    ids = any(entry.get(key) for key in ("group", "version", "kind", "name", "namespace"))
    return (labels and by_label(resource)) or (ids and by_id(_ids(resource)))


def _copy(resource: Resource, path: tuple[str, Mark], options: Map, value: Any, at: Mark) -> None:
    create = bool(options.get("create"))
    made: Any = Map if isinstance(value, Map) else Seq if isinstance(value, Seq) else ""
    found = list(_places(resource.manifest, split(path[0]), create=create, mark=path[1], made=made))
    if not found:
        says = f'unable to find {"or create " if create else ""}field "{path[0]}" in replacement target'
        raise Broken(f"the {resource.kind} {resource.name} has no `{path[0]}`", path[1], says)
    for place in found:
        place.put(_set(place.value, value, options, path[1]), at._replace(via=path[1]))


def _set(old: Any, value: Any, options: Map, mark: Mark) -> Any:
    if options.get("delimiter"):
        if isinstance(old, dict | list):
            raise Broken(
                "a part of a mapping or a list is wanted", mark, "delimiter option can only be used with scalar nodes"
            )
        parts, index = text(old).split(options["delimiter"]), options.get("index") or 0
        if index < 0:
            parts.insert(0, text(value))
        elif index >= len(parts):
            parts.append(text(value))
        else:
            parts[index] = text(value)
        value = options["delimiter"].join(parts)
    if isinstance(old, dict | list) or isinstance(value, dict | list):
        return copied(value)
    if isinstance(old, str) and old:
        return text(value)  # the type of the field stays
    return _plain(text(value))


def _plain(written: str) -> Any:
    try:
        return meaning(written, words=False)
    except NoNumber:
        return written


def _places(
    root: Map, path: Sequence[str], *, create: bool, mark: Mark, made: Any = "", searching: bool = True
) -> Iterator[Place]:
    """Every place of a path with `[key=expression]`, indexes and `*`."""
    if len(path) > LONGEST:
        raise NotRendered(f"a path of {len(path)} parts", mark)
    holder = Map()
    holder.put("", root, root.begin)
    yield from _Walk(create, mark, made, searching).below(Place(holder, ""), [part.strip() for part in path])


class _Walk:
    """A way through one resource. `searching`: values in brackets are expressions, not whole values."""

    def __init__(self, create: bool, mark: Mark, made: Any, searching: bool) -> None:  # noqa: FBT001
        self.create, self.mark, self.made, self.searching = create, mark, made, searching

    def below(self, here: Place, path: list[str]) -> Iterator[Place]:
        """The places below one."""
        if not path:
            yield here
            return
        part, rest, value = path[0], path[1:], here.value
        if part.isdigit():
            yield from self._index(here, int(part), rest)
        elif part.startswith("[") and part.endswith("]"):
            yield from self._matching(here, part[1:-1], rest)
        elif part == "*":
            for number in range(len(value)) if isinstance(value, Seq) else ():
                yield from self.below(Place(value, number), rest)
        elif isinstance(value, Map):
            if part not in value:
                if not self.create:
                    return
                value.put(part, self._new(rest), self.mark)
            yield from self.below(Place(value, part), rest)
        elif value is not None:
            raise NotRendered("a replacement inside of a text", self.mark)

    def _new(self, rest: list[str]) -> Any:
        if not rest:
            return self.made(self.mark) if self.made != "" else ""
        return Seq(self.mark) if rest[0].isdigit() or rest[0].startswith("[") else Map(self.mark)

    def _index(self, here: Place, number: int, rest: list[str]) -> Iterator[Place]:
        value = here.value
        if not isinstance(value, Seq):
            return
        if number == len(value) and self.create:
            value.add(self._new(rest), self.mark)
        if number >= len(value):
            says = f"index {number} specified but only {len(value)} elements found"
            raise Broken(f"the list has no item {number}", self.mark, says)
        yield from self.below(Place(value, number), rest)

    def _matching(self, here: Place, condition: str, rest: list[str]) -> Iterator[Place]:
        value = here.value
        if not isinstance(value, Seq):
            return
        key, _, wanted = condition.partition("=")
        fits = pattern(wanted, self.mark)
        found = [number for number, each in enumerate(value) if self._fits(each, key, wanted, fits)]
        if not found and self.create:
            made: Any = wanted
            if key:
                made = Map(self.mark)
                made.put(key, _plain(wanted), self.mark)
            value.add(made, self.mark)
            found = [len(value) - 1]
        for number in found[: None if self.searching else 1]:
            yield from self.below(Place(value, number), rest)

    def _fits(self, item: Any, key: str, wanted: str, expression: re.Pattern[str]) -> bool:
        if key and (not isinstance(item, Map) or key not in item):
            return False
        found = text(item[key]) if key else text(item)
        return bool(expression.search(found)) if self.searching else found == wanted

"""Which resources a patch or a replacement means. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from ephemeral_castle.manifests.kustomize.faults import Broken, NotRendered
from ephemeral_castle.manifests.kustomize.identity import Id
from ephemeral_castle.manifests.kustomize.resource import Resource
from ephemeral_castle.manifests.tree import Map
from ephemeral_castle.model.finding import Mark

REQUIREMENT = re.compile(
    r"\s*(?:(?P<no>!)\s*(?P<absent>[^\s,=!()]+)"
    r"|(?P<key>[^\s,=!()]+)\s*(?:(?P<op>==|=|!=)\s*(?P<value>[^\s,=!()]*)"
    r"|(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?)\s*"
)
MOST = 3  # repetitions in one expression: Python's engine looks back, Go's does not


def pattern(written: str, mark: Mark) -> re.Pattern[str]:
    """A regular expression that a whole name must match.

    Raises:
        Broken: it is none.
        NotRendered: Python could look for ever.
    """
    if len(re.findall(r"[*+{]", written)) > MOST or re.search(r"\)[*+{]", written):
        raise NotRendered("this regular expression", mark)
    try:
        return re.compile(f"(?:{written})")
    except re.error as error:
        says = f"error parsing regexp: {error}"
        raise Broken("this is no regular expression", mark, says) from None


def selector(found: Map) -> Callable[[Iterable[Id]], bool]:
    """Whether one of several identities is selected by group, version, kind, name and namespace."""
    keys = ("group", "version", "kind", "name", "namespace")
    wanted = {key: pattern(found[key], found.at[key]) for key in keys if found.get(key)}

    def fits(ids: Iterable[Id]) -> bool:
        return any(all(each.fullmatch(getattr(one, key)) for key, each in wanted.items()) for one in ids)

    return fits


def select(resources: Iterable[Resource], target: Map) -> list[Resource]:
    """The resources that the target of a patch means; names and namespaces as they are, and as they were written.

    Raises:
        Broken, NotRendered: an expression or selector in it cannot be read.
    """
    keys = ("group", "version", "kind", "name", "namespace")
    wanted = {key: pattern(target[key], target.at[key]) for key in keys if target.get(key)}
    marked = by_labels(target)
    return [each for each in resources if _is_meant(each, wanted) and marked(each)]


def _is_meant(resource: Resource, wanted: Mapping[str, re.Pattern[str]]) -> bool:
    now, first = resource.id, resource.first_id
    values = {
        "group": (now.group,),
        "version": (now.version,),
        "kind": (now.kind,),
        "name": (first.name, now.name),
        "namespace": (first.space, now.space),
    }
    return all(any(each.fullmatch(value) for value in values[key]) for key, each in wanted.items())


def by_labels(target: Map) -> Callable[[Resource], bool]:
    """Whether a resource has the labels and annotations that a target asks for."""
    labels = _requirements(target, "labelSelector")
    annotations = _requirements(target, "annotationSelector")

    def fits(resource: Resource) -> bool:
        own, noted = resource.strings("labels"), resource.strings("annotations")
        return all(each(own) for each in labels) and all(each(noted) for each in annotations)

    return fits


def _requirements(target: Map, key: str) -> list[Callable[[Mapping[str, str]], bool]]:
    written = (target.get(key) or "").strip()
    found, at = [], 0
    while at < len(written):
        match = REQUIREMENT.match(written, at)
        if match is None or match.end() == at or (match.end() < len(written) and written[match.end()] != ","):
            says = f"unable to parse requirement: found '{written[at:]}'"
            raise Broken(f"`{written}` is no selector", target.at[key], says)
        found.append(_requirement(match))
        at = match.end() + 1
    return found


def _requirement(match: re.Match[str]) -> Callable[[Mapping[str, str]], bool]:
    key, value = match["key"], match["value"]
    if match["no"]:
        absent = match["absent"]
        return lambda own: absent not in own
    if match["op"] == "!=":
        return lambda own: own.get(key) != value
    if match["op"]:
        return lambda own: own.get(key) == value
    if match["set"]:
        values, inside = [each.strip() for each in match["values"].split(",")], match["set"] == "in"
        return lambda own: (own.get(key) in values) if inside else (key not in own or own[key] not in values)
    return lambda own: key in own

"""References follow the names that changed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ephemeral_castle.manifests.kustomize.faults import Broken
from ephemeral_castle.manifests.kustomize.fields import Place, Spec, places
from ephemeral_castle.manifests.kustomize.resource import Resource, Resources
from ephemeral_castle.manifests.kustomize.specs import Target, by_kind
from ephemeral_castle.manifests.tree import Map, Seq, text

REFERRERS = by_kind()
Names = dict[str, list[Resource]]


def follow(resources: Resources, more: Sequence[tuple[Target, Spec]] = ()) -> None:
    """Sets every reference to a resource that was renamed to its present name.

    Args:
        resources: all of a root.
        more: fields that hold names beside those that kustomize knows, from `configurations`.

    Raises:
        Broken: a reference could mean several.
    """
    renamed: Names = {}
    for each in resources:
        for name in {name for _, name, _ in each.earlier}:
            renamed.setdefault(name, []).append(each)
    if renamed:
        for each in resources:
            _one(each, renamed, resources, more)


def _one(referrer: Resource, renamed: Names, all_of_them: Resources, more: Sequence[tuple[Target, Spec]]) -> None:
    first = referrer.first_id
    for target, spec in (*REFERRERS.get(first.kind, ()), *more):
        if not spec.fits(*first[:3]):
            continue
        for place in places(referrer.manifest, spec.path):
            for each in _named(place):
                _follow(referrer, target, spec.path, each, renamed, all_of_them)


def _named(place: Place) -> Iterator[Place]:
    """The names, and the maps with a name, at a place."""
    value = place.value
    if isinstance(value, Seq):
        yield from (Place(value, number) for number in range(len(value)) if value[number] is not None)
    elif value is not None:
        yield place


def _follow(
    referrer: Resource, target: Target, path: tuple[str, ...], place: Place, renamed: Names, all_of_them: Resources
) -> None:
    value = place.value
    name = text(value.get("name")) if isinstance(value, Map) else text(value)
    candidates = _candidates(referrer, renamed.get(name, ()))
    if isinstance(value, Map):
        if "name" not in value:
            says = f"updating name reference in '{'/'.join(path)}' field: path config error; no 'name' field in node"
            raise Broken("this reference has no `name`", place.at, says)
        candidates = _in_namespace(candidates, value, _candidates(referrer, all_of_them.list))
    found = _select(referrer, target, path, name, candidates, place)
    if found is None:
        return
    if isinstance(value, Map):
        mark = found.meta.at.get("name", place.at)
        if found.name != name:
            value.put("name", found.name, value.named["name"], value.at["name"]._replace(via=mark))
        if found.namespace and (found.name != name or found.namespace != text(value.get("namespace"))):
            value.put("namespace", found.namespace, value.named.get("namespace", place.at), place.at)
    elif found.name != name:
        place.put(found.name, place.at._replace(via=found.meta.at.get("name")))


def _candidates(referrer: Resource, named: Sequence[Resource]) -> list[Resource]:
    """Those that the referrer can see: of its namespace, of none, or of a subject's."""
    here = referrer.id
    if here.cluster:
        return list(named)
    more = _subject_namespaces(referrer)
    return [each for each in named if each.id.cluster or each.id.space == here.space or each.namespace in more]


def _subject_namespaces(referrer: Resource) -> set[str]:
    subjects: Any = referrer.manifest.get("subjects") if referrer.kind == "RoleBinding" else None
    found = (each for each in subjects or () if isinstance(each, Map) and each.get("kind") == "ServiceAccount")
    return {text(each["namespace"]) for each in found if each.get("namespace")}


def _in_namespace(candidates: list[Resource], reference: Map, visible: list[Resource]) -> list[Resource]:
    if "namespace" not in reference:
        return candidates
    space = text(reference["namespace"])
    if any(each.first_id.space == space for each in visible):
        return [each for each in candidates if each.first_id.space == space]
    return [each for each in candidates if each.id.space == space]


def _select(
    referrer: Resource, target: Target, path: tuple[str, ...], name: str, found: list[Resource], place: Place
) -> Resource | None:
    found = [each for each in found if any(one.is_of(*target) for one in each.earlier_ids)]
    if path[-2:] == ("roleRef", "name"):
        found = [each for each in found if _is_role(each, referrer)]
    here = referrer.id
    if not here.cluster:
        found = [
            each for each in found if each.id.cluster or each.kind == "ServiceAccount" or each.id.space == here.space
        ]
    if len(found) == 1:
        return found[0]
    found = [each for each in found if _same_affixes(each, referrer, empty=True)]
    if len(found) > 1:
        found = [each for each in found if _same_affixes(each, referrer, empty=False)]
    if not found:
        return None
    if len({(each.name, each.namespace if isinstance(place.value, Map) else "") for each in found}) > 1:
        ids = ", ".join(str(each.id) for each in found)
        says = f"found multiple possible referrals: {ids}"
        raise Broken(f"`{name}` could mean several resources after their names were changed", place.at, says)
    return found[0]


def _is_role(candidate: Resource, referrer: Resource) -> bool:
    role = referrer.manifest.get("roleRef")
    if not isinstance(role, Map) or "apiGroup" not in role or "kind" not in role:
        return True
    group, kind = text(role["apiGroup"]), text(role["kind"])
    return any(one.is_of(group, "", kind) for one in candidate.earlier_ids)


def _same_affixes(one: Resource, other: Resource, *, empty: bool) -> bool:
    same: Callable[[list[str], list[str]], bool] = lambda a, b: (empty and not (a and b)) or _same_end(a, b)  # noqa: E731
    return same(one.prefixes, other.prefixes) and same(one.suffixes, other.suffixes)


def _same_end(one: list[str], other: list[str]) -> bool:
    short, long = sorted((one, other), key=len)
    return short == long[len(long) - len(short) :] if short else not long

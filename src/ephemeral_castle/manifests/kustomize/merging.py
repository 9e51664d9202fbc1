"""Strategic merge: a patch that looks like the object. Pure.

Maps are merged, `null` deletes, lists are replaced, or joined item by item where `listkeys` knows their keys; `$patch:
delete`, `replace` and `merge` direct it. New items come first, as kustomize puts them. Source: kyaml's merge2 and walk.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ephemeral_castle.manifests.kustomize import joining
from ephemeral_castle.manifests.kustomize.faults import Broken
from ephemeral_castle.manifests.kustomize.joining import Slot
from ephemeral_castle.manifests.kustomize.listkeys import Shape, shape
from ephemeral_castle.manifests.tree import Map, Seq, copied, text

DIRECTIVE = "$patch"


class _Pair(NamedTuple):
    """A value of the object and that of the patch at the same place; None: there is none."""

    dest: Slot | None
    patch: Slot | None


def merge(dest: Map, patch: Map) -> Map | None:
    """Merges a patch into an object, in place.

    Args:
        dest: the object, which changes.
        patch: it stays as it is.

    Returns:
        The object; None where the patch deletes it.

    Raises:
        Broken: a directive that does not exist, or two values that cannot be merged.
    """
    merged = _walk(_Pair(Slot(dest, dest.begin), Slot(copied(patch), patch.begin)), None)
    return merged.value if merged else None


def _walk(pair: _Pair, known: Shape | None) -> Slot | None:
    first = next((each for each in pair if each is not None and each.value is not None), None)
    if first is None:
        return pair.dest if pair.patch is None else None  # a null that nobody touched stays
    known = known or _own_shape(pair)
    for each in pair:
        if each is not None and each.value is not None and _sort(each.value) != _sort(first.value):
            words = f"wrong node kind: expected {_sort(first.value)} but got {_sort(each.value)}"
            raise Broken("the patch has another kind of value here than the object", each.at, words)
    if isinstance(first.value, Map):
        return _maps(pair, known)
    if isinstance(first.value, Seq) and known and known.keys is not None:
        return _joined(pair, known)
    found = pair.patch or pair.dest
    return None if found is None or found.value is None else found


def _maps(pair: _Pair, known: Shape | None) -> Slot | None:
    dest, patch = pair
    if patch is not None and patch.value is None:
        return None
    directive = _directive(patch) if patch is not None else "merge"
    if directive == "delete":
        return None
    base = patch if dest is None or dest.value is None or directive == "replace" else dest
    if base is None:
        return None
    target, source = base.value, patch.value if patch is not None else Map()
    for key in sorted({*target, *source}):
        below = _Pair(_slot(target, key), _slot(source, key) if patch is not None else None)
        found = _walk(below, known.below(key) if known else None)
        if found is None:
            target.drop(key)
        else:
            target.put(key, found.value, (target if key in target else source).named[key], found.at)
    return base


def _joined(pair: _Pair, known: Shape) -> Slot | None:
    dest, patch = pair
    if patch is not None and patch.value is None:
        return None
    if dest is None or dest.value is None:
        base = patch
    else:
        directive = _list_directive(patch) if patch is not None else "merge"
        if directive == "delete":
            return None
        base = patch if directive == "replace" else dest
    if base is None:
        return None
    items = [_slots(base.value), _slots(patch.value) if patch is not None else None]
    inside = Shape(known.fields)
    joined = joining.join(items[0] or [], items[1], known.keys or (), lambda one, two: _walk(_Pair(one, two), inside))
    made = Seq(base.value.begin)
    for each in joined:
        made.add(each.value, each.at)
    return Slot(made, base.at)


def _slots(value: Seq) -> list[Slot]:
    return [Slot(each, at) for each, at in zip(value, value.at, strict=True)]


def _slot(tree: Map, key: str) -> Slot | None:
    return Slot(tree[key], tree.at[key]) if key in tree else None


def _own_shape(pair: _Pair) -> Shape | None:
    """What is known of a value that says itself what it is."""
    for each in pair:
        if each is not None and isinstance(each.value, Map) and each.value.get("kind") and each.value.get("apiVersion"):
            found = shape(text(each.value["apiVersion"]), text(each.value["kind"]))
            if found:
                return found
    return None


def _directive(slot: Slot) -> str:
    """The directive of a map, which is taken out of it."""
    found = slot.value.get(DIRECTIVE)
    if found is None:
        return "merge"
    return _checked(text(found), slot.value)


def _list_directive(slot: Slot) -> str:
    """The directive of a list: an item of its own."""
    for number, each in enumerate(slot.value):
        if isinstance(each, Map) and DIRECTIVE in each:
            if len(each) > 1:
                return "merge"
            directive = _checked(text(each[DIRECTIVE]), each)
            del slot.value[number], slot.value.at[number]
            return directive
    return "merge"


def _checked(directive: str, holder: Map) -> str:
    if directive not in ("delete", "replace", "merge"):
        hint = "it is `delete`, `replace` or `merge`"
        raise Broken(
            f"`{directive}` is no directive", holder.at[DIRECTIVE], f"unknown patch strategy '{directive}'", hint
        )
    holder.drop(DIRECTIVE)
    return directive


def _sort(value: Any) -> str:
    return "MappingNode" if isinstance(value, Map) else "SequenceNode" if isinstance(value, Seq) else "ScalarNode"

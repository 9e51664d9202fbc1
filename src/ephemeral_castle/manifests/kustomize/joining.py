"""How a strategic merge joins two lists whose items have keys. Pure.

The order is kustomize's own: items of the patch first, then what else the object had. Where some items lack a key, this
follows kyaml's walk step by step, for what it does there no description gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ephemeral_castle.manifests.scalars import NoNumber, meaning
from ephemeral_castle.manifests.tree import Map, text
from ephemeral_castle.model.finding import Mark


class Slot(NamedTuple):
    """A value and where it stands."""

    value: Any
    at: Mark


Walk = Callable[[Slot | None, Slot | None], Slot | None]


def join(dest: list[Slot], patch: list[Slot] | None, keys: Sequence[str], walk: Walk) -> list[Slot]:
    """The items of both lists.

    Args:
        dest: of the object.
        patch: of the patch; None where it has no such list.
        keys: that make an item what it is; () where items are plain values.
        walk: merges two items.
    """
    keys = tuple(keys) or ("",)
    wanted = _identities([*(patch or []), *dest], keys)
    if len(keys) > 1:
        wanted = _completed(wanted)
    made: list[Slot] = []
    valid: Sequence[str] = keys
    for values in wanted:
        valid, own = _valid(wanted, values, keys)
        found = walk(_find(dest, valid, own), _find(patch, valid, own) if patch is not None else None)
        if found is None or found.value is None or found.value == {}:
            dest = _put(dest, None, valid, own)
            continue
        for key, value in zip(valid, own, strict=True):
            if isinstance(found.value, Map) and key not in found.value and value:
                found.value.put(key, _plain(value), found.at)
        made = _put(made, found, valid, own)
    return _followed(made, dest, valid) if wanted else dest


def _identities(items: list[Slot], keys: Sequence[str]) -> list[list[str]]:
    found: list[list[str]] = []
    for each in items:
        values = [text(each.value)] if keys == ("",) else [_value(each, key) for key in keys]
        if values not in found:
            found.append(values)
    return found


def _value(item: Slot, key: str) -> str:
    found = item.value.get(key) if isinstance(item.value, Map) else None
    return "" if found is None or isinstance(found, dict | list) else text(found)


def _completed(wanted: list[list[str]]) -> list[list[str]]:
    """Items that agree in one key, of which one lacks another, are taken for the same."""
    wanted = list(wanted)
    for one in range(len(wanted)):
        first = wanted[one]
        for two in range(len(wanted)):
            both = _agreed(first, wanted[two])
            if both is not None:
                wanted[one] = wanted[two] = both
    return wanted


def _agreed(one: list[str], two: list[str]) -> list[str] | None:
    if any(a and b and a != b for a, b in zip(one, two, strict=True)):
        return None
    if not any(a == b for a, b in zip(one, two, strict=True)):
        return None
    return [a or b for a, b in zip(one, two, strict=True)]


def _valid(wanted: list[list[str]], values: list[str], keys: Sequence[str]) -> tuple[Sequence[str], list[str]]:
    """The keys that any item has, and the values of these."""
    used = [any(each[number] for each in wanted) for number in range(len(keys))]
    if not any(used):
        return keys, values
    return (
        [key for key, is_used in zip(keys, used, strict=True) if is_used],
        [value for value, is_used in zip(values, used, strict=True) if value or is_used],
    )


def _find(items: list[Slot], keys: Sequence[str], values: list[str]) -> Slot | None:
    keys, values = _valid([values], values, keys)
    for each in items:
        if keys[0] == "":
            if not isinstance(each.value, dict | list) and text(each.value) == values[0]:
                return each
        elif isinstance(each.value, Map) and all(
            key in each.value and text(each.value[key]) == value for key, value in zip(keys, values, strict=True)
        ):
            return each
    return None


def _put(items: list[Slot], new: Slot | None, keys: Sequence[str], values: Sequence[str]) -> list[Slot]:
    """The items with one of these keys replaced, or appended; without it, where there is no new one."""
    made: list[Slot] = []
    matched = False
    for each in items:
        if each.value is None or each.value == {}:
            continue
        if keys[0] != "" and not isinstance(each.value, Map):
            made.append(each)
        elif not _matches(each, keys, values):
            made += [each] if values else []
        else:
            matched = True
            made += [new] if new is not None else []
    return made if matched or new is None else [*made, new]


def _matches(item: Slot, keys: Sequence[str], values: Sequence[str]) -> bool:
    found = False
    for number, key in enumerate(keys):
        if number < len(values):
            if key == "":
                found = text(item.value) == values[number]
            else:
                has = isinstance(item.value, Map) and key in item.value
                found = has and values[number] in ("", text(item.value[key]))
        if not found:
            return False
    return True


def _followed(made: list[Slot], rest: list[Slot], keys: Sequence[str]) -> list[Slot]:
    """What was made, and then the rest of the object's own items."""
    for each in rest:
        if keys[0] == "":
            made = _put(made, each, keys, [text(each.value)])
            continue
        values = []
        for key in keys:
            if not isinstance(each.value, Map) or key not in each.value:
                made = [*made, each]
            else:
                values.append(text(each.value[key]))
        if len(keys) > 1:
            made = _put(made, None, keys, values)
        made = _put(made, each, keys, values)
    return made


def _plain(value: str) -> Any:
    try:
        return meaning(value, words=False)
    except NoNumber:
        return value

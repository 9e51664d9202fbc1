"""Items that `x-kubernetes-list-type` allows once only: those of a set, and those of a map with the same keys.

Source: package listtype of k8s.io/apiextensions-apiserver 0.36.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ephemeral_castle.manifests.schemas.fault import DUPLICATE, INVALID, Fault, Key, go_json

Check = Callable[[Any], list[Fault]]


def compiled(schema: Mapping[str, Any]) -> Check | None:
    """The check of a node and all below it; None: no list of it is a set or a map."""
    unique = _unique(schema)
    items = compiled(schema["items"]) if isinstance(schema.get("items"), Mapping) else None
    more = schema.get("additionalProperties")
    others = compiled(more) if isinstance(more, Mapping) else None
    parts = {key: found for key, each in (schema.get("properties") or {}).items() if (found := compiled(each))}
    if unique is None and items is None and others is None and not parts:
        return None

    def check(value: Any) -> list[Fault]:
        out: list[Fault] = []
        if isinstance(value, list):
            out = unique(value) if unique is not None else []
            if items is not None:
                out += [fault.under(at) for at, each in enumerate(value) for fault in items(each)]
        elif isinstance(value, dict):
            for key, each in value.items():
                if each.__class__ is str:
                    continue
                part = parts.get(key)
                if part is not None:
                    out += [fault.under(key) for fault in part(each)]
                elif others is not None:
                    out += [fault.under(Key(key)) for fault in others(each)]
        return out

    return check


def _unique(schema: Mapping[str, Any]) -> Check | None:
    what = schema.get("x-kubernetes-list-type")
    if what == "set":
        return _set
    if what != "map":
        return None
    keys: Sequence[str] = schema.get("x-kubernetes-list-map-keys") or ()
    return lambda value: _map(value, keys)


def _again(values: Sequence[Any]) -> list[int]:
    """Where each value that is there more than once stands for the second time."""
    seen: dict[Any, int] = {}
    out = []
    for at, each in enumerate(values):
        known = (each.__class__.__name__, go_json(each) if isinstance(each, dict | list) else each)
        times = seen[known] = seen.get(known, 0) + 1
        if times == 2:
            out.append(at)
    return out


def _set(value: Sequence[Any]) -> list[Fault]:
    return [_twice(at, value[at]) for at in _again(value)] if len(value) > 1 else []


def _map(value: Sequence[Any], keys: Sequence[str]) -> list[Fault]:
    for at, each in enumerate(value):
        if each is not None and not isinstance(each, dict):
            return [Fault(INVALID, each, "must be an object for an array of list-type map", [at], dotted=False)]
    if len(value) <= 1:
        return []
    found = [{key: each[key] for key in keys if key in each} if each else {} for each in value]
    return [_twice(at, found[at]) for at in _again(found)]


def _twice(at: int, value: Any) -> Fault:
    return Fault(DUPLICATE, value, "", [at], dotted=False)

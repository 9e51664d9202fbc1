"""Whole objects inside of others: nodes with `x-kubernetes-embedded-resource`.

Source: package objectmeta of k8s.io/apiextensions-apiserver 0.36.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ephemeral_castle.manifests.schemas import metadata, names
from ephemeral_castle.manifests.schemas.fault import INVALID, REQUIRED, Fault, Key, Step, go_json, shown_value, written

Check = Callable[[Any], list[Fault]]


def compiled(schema: Mapping[str, Any]) -> Check | None:
    """The check of a node and all below it; None: it embeds nothing."""
    here = bool(schema.get("x-kubernetes-embedded-resource"))
    items = compiled(schema["items"]) if isinstance(schema.get("items"), Mapping) else None
    more = schema.get("additionalProperties")
    others = compiled(more) if isinstance(more, Mapping) else None
    parts = {key: found for key, each in (schema.get("properties") or {}).items() if (found := compiled(each))}
    if not here and items is None and others is None and not parts:
        return None

    def check(value: Any) -> list[Fault]:
        out: list[Fault] = []
        if isinstance(value, dict):
            out = _resource(value) if here else []
            for key, each in value.items():
                part = parts.get(key)
                if part is not None:
                    out += [fault.under(key) for fault in part(each)]
                elif others is not None:
                    out += [fault.under(Key(key)) for fault in others(each)]
        elif isinstance(value, list) and items is not None:
            out = [fault.under(at) for at, each in enumerate(value) for fault in items(each)]
        return out

    return check


def unknown(schema: Mapping[str, Any], value: Any) -> list[tuple[Step, ...]]:
    """Fields of embedded `metadata` that no object has."""
    out: list[tuple[Step, ...]] = []
    if isinstance(value, dict):
        if schema.get("x-kubernetes-embedded-resource") and "metadata" in value:
            out += metadata.decode(value["metadata"]).unknown
        more = schema.get("additionalProperties")
        for key, each in value.items():
            part = (schema.get("properties") or {}).get(key, more if isinstance(more, Mapping) else None)
            out += [(key, *path) for path in unknown(part, each)] if part else []
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        out += [(at, *path) for at, each in enumerate(value) for path in unknown(schema["items"], each)]
    return out


def error(schema: Mapping[str, Any], value: Any, at: tuple[Step, ...] = ()) -> str:
    """Why the server's decoder does not take an embedded object at all; "" where it does."""
    if isinstance(value, dict):
        if at and schema.get("x-kubernetes-embedded-resource"):
            for key in ("apiVersion", "kind"):
                if key in value and not isinstance(value[key], str):
                    return f"{written((*at, key))}: Invalid value: {shown_value(value[key])}: must be a string"
            if says := metadata.decode(value.get("metadata")).error:
                return f"{written((*at, 'metadata'))}: Invalid value: {go_json(value['metadata'])}: {says}"
        more = schema.get("additionalProperties")
        for key, each in value.items():
            named = (schema.get("properties") or {}).get(key)
            part = named or (more if isinstance(more, Mapping) else None)
            if part and (says := error(part, each, (*at, key if named else Key(key)))):
                return says
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        return next((says for i, each in enumerate(value) if (says := error(schema["items"], each, (*at, i)))), "")
    return ""


def _resource(value: Mapping[str, Any]) -> list[Fault]:
    out = [Fault(REQUIRED, steps=[key], dotted=False) for key in ("apiVersion", "kind") if key not in value]
    for key in ("apiVersion", "kind"):
        if key in value and not isinstance(value[key], str):
            out.append(_bad(key, value[key], "must be a string"))
        elif key in value and not value[key]:
            out.append(_bad(key, value[key], "must not be empty"))
    version, kind = value.get("apiVersion"), value.get("kind")
    if isinstance(version, str) and version.count("/") > 1:
        out.append(_bad("apiVersion", version, f"unexpected GroupVersion string: {version}"))
    if isinstance(kind, str) and kind and (bad := names.dns1035_label(kind.lower())):
        out.append(_bad("kind", kind, f"may have mixed case, but should otherwise match: {','.join(bad)}"))
    if "metadata" in value:
        out += _metadata(value["metadata"])
    return out


def _metadata(found: Any) -> list[Fault]:
    decoded = metadata.decode(found)
    if decoded.error:
        return [_bad("metadata", found, decoded.error)]
    named = {**(found or {}), "name": (found or {}).get("name") or "fakename"}
    below = (found or {}).get("generation") or 0
    negative = [_bad("generation", below, "must be greater than or equal to 0").under("metadata")] if below < 0 else []
    return negative + metadata.faults(named, namespaced=True, rule=lambda name, _: names.path_segment(name))


def _bad(key: str, value: Any, detail: str) -> Fault:
    return Fault(INVALID, value, detail, [key], dotted=False)

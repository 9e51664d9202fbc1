"""What the API server asks of `metadata`, whatever the kind: fields, types, names, labels, owners, finalizers.

Source: `ObjectMeta` and `ValidateObjectMetaAccessor` of k8s.io/apimachinery 0.36.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ephemeral_castle.manifests.schemas import names
from ephemeral_castle.manifests.schemas.fault import (
    INVALID,
    REQUIRED,
    TOO_LONG,
    Fault,
    Raw,
    Step,
    go_json,
)
from ephemeral_castle.manifests.schemas.formats import is_datetime

_MOST_ANNOTATIONS: Final = 256 * 1024  # bytes of all keys and values
_OWNER: Final = {
    "apiVersion": "string",
    "kind": "string",
    "name": "string",
    "uid": "types.UID",
    "controller": "bool",
    "blockOwnerDeletion": "bool",
}
_MANAGED: Final = dict.fromkeys(("manager", "operation", "apiVersion", "fieldsType", "subresource"), "string")
_FIELDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion"), "string"),
    "generation": "int64",
    "deletionGracePeriodSeconds": "int64",
    "creationTimestamp": "time",
    "deletionTimestamp": "time",
    "labels": "map[string]string",
    "annotations": "map[string]string",
    "ownerReferences": [_OWNER],
    "finalizers": ["string"],
    "managedFields": [{**_MANAGED, "time": "time", "fieldsV1": "any"}],
}
_KINDS: Final = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
_TAKES: Final = {"string": str, "types.UID": str, "bool": bool, "int64": int, "time": str}


@dataclass
class Decoded:
    """What decoding says: paths of unknown fields, and the first value of a wrong type in Go's words."""

    unknown: list[tuple[Step, ...]] = field(default_factory=list)
    error: str = ""


def decode(metadata: Any) -> Decoded:
    """Reads `metadata` as the server's decoder does."""
    out = Decoded()
    if metadata is None:
        return out
    if not isinstance(metadata, dict):
        out.error = f"json: cannot unmarshal {_kind(metadata)} into Go value of type v1.ObjectMeta"
        return out
    _struct(metadata, _FIELDS, ("metadata",), "ObjectMeta", out)
    return out


def _struct(value: Mapping[str, Any], fields: Mapping[str, Any], at: tuple[Step, ...], go: str, out: Decoded) -> None:
    for key, each in value.items():
        if key not in fields:
            out.unknown.append((*at, key))
        elif each is not None:
            _value(each, fields[key], (*at, key), f"{go}.{key}", out)


def _value(value: Any, shape: Any, at: tuple[Step, ...], go: str, out: Decoded) -> None:
    if isinstance(shape, list):
        if not isinstance(value, list):
            return _refuse(value, go, "[]string" if shape == ["string"] else "[]v1.OwnerReference", out)
        for index, each in enumerate(value):
            if each is not None:
                _value(each, shape[0], (*at, index), go, out)
    elif isinstance(shape, dict):
        if not isinstance(value, dict):
            return _refuse(value, go, "v1.OwnerReference", out)
        _struct(value, shape, at, go, out)
    elif shape == "map[string]string":
        if not isinstance(value, dict):
            return _refuse(value, go, shape, out)
        for each in value.values():
            if each is not None and not isinstance(each, str):
                _refuse(each, go, "string", out)
    elif shape != "any" and (not isinstance(value, _TAKES[shape]) or (shape == "int64" and isinstance(value, bool))):
        _refuse(value, go, shape, out)
    elif shape == "time" and not is_datetime(value):
        out.error = (
            out.error or f'parsing time "{value}" as "2006-01-02T15:04:05Z07:00": cannot parse "{value}" as "2006"'
        )
    return None


def _refuse(value: Any, go: str, wanted: str, out: Decoded) -> None:
    wanted = "string" if wanted == "time" else wanted
    out.error = out.error or f"json: cannot unmarshal {_kind(value)} into Go struct field {go} of type {wanted}"


def _kind(value: Any) -> str:
    return next((name for kind, name in _KINDS.items() if isinstance(value, kind)), "string")


def faults(
    metadata: Any, *, namespaced: bool, rule: names.NameRule, base: tuple[Step, ...] = ("metadata",)
) -> list[Fault]:
    """What is wrong with decoded `metadata`.

    Args:
        metadata: of an object that decoding let through.
        namespaced: the kind lives in a namespace; one that is not written is taken to be given elsewhere.
        rule: for the object's name.
        base: path to it.
    """
    found = metadata if isinstance(metadata, dict) else {}
    name, begins = found.get("name") or "", found.get("generateName") or ""
    out: list[Fault] = [_bad("generateName", begins, each) for each in (rule(begins, True) if begins else ())]
    if name:
        out += [_bad("name", name, each) for each in rule(name, False)]
    elif not begins:
        out.append(Fault(REQUIRED, detail="name or generateName is required", steps=["name"]))
    if namespaced and (namespace := found.get("namespace")):  # of others the server takes it away
        out += [_bad("namespace", namespace, each) for each in names.dns1123_label(namespace)]
    for key, check in _CHECKS.items():
        if found.get(key):
            out += check(found)
    for fault in out:
        fault.dotted = False
        fault.steps += reversed(base)
    return out


def _bad(key: str, value: Any, detail: str) -> Fault:
    return Fault(INVALID, value, detail, [key])


def _labels(found: Mapping[str, Any]) -> Iterator[Fault]:
    for key, value in (found.get("labels") or {}).items():
        yield from (_bad("labels", key, each) for each in names.qualified(key))
        yield from (_bad("labels", value, each) for each in names.label_value(value or ""))


def _annotations(found: Mapping[str, Any]) -> Iterator[Fault]:
    annotations = found.get("annotations") or {}
    for key in annotations:
        yield from (_bad("annotations", key, each) for each in names.qualified(key.lower()))
    size = sum(
        len(key.encode(errors="replace")) + len((value or "").encode(errors="replace"))
        for key, value in annotations.items()
    )
    if size > _MOST_ANNOTATIONS:
        yield Fault(TOO_LONG, detail=f"may not be more than {_MOST_ANNOTATIONS} bytes", steps=["annotations"])


def _owners(found: Mapping[str, Any]) -> Iterator[Fault]:
    first = ""
    owners = [each for each in found.get("ownerReferences") or () if isinstance(each, dict)]
    for owner in owners:
        asked = {"apiVersion": "version must not be empty", "kind": "must not be empty"}
        for key in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(key):
                bad = Fault(INVALID, "", asked.get(key, "must not be empty"), [key, "ownerReferences"])
                yield bad
        if owner.get("controller"):
            this = f"{owner.get('kind') or ''}/{owner.get('name') or ''}"
            if first:
                both = f'Found "true" in references for {first} and {this}'
                says = f"Only one reference can have Controller set to true. {both}"
                yield _bad("ownerReferences", Raw(_written(owners)), says)
            first = first or this


def _written(owners: Iterable[Mapping[str, Any]]) -> str:
    """References as the server's encoder writes them: fields in its order, the first four always."""
    shown = []
    for owner in owners:
        fields = {key: owner.get(key) or "" for key in ("apiVersion", "kind", "name", "uid")}
        fields |= {key: owner[key] for key in ("controller", "blockOwnerDeletion") if owner.get(key) is not None}
        shown.append("{" + ",".join(f"{go_json(key)}:{go_json(value)}" for key, value in fields.items()) + "}")
    return f"[{','.join(shown)}]"


def _finalizers(found: Mapping[str, Any]) -> Iterator[Fault]:
    finalizers = [each or "" for each in found.get("finalizers") or ()]
    for each in finalizers:
        yield from (_bad("finalizers", each, says) for says in names.qualified(each))
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        yield _bad("finalizers", finalizers, "finalizer orphan and foregroundDeletion cannot be both set")


_CHECKS: Final = {
    "labels": _labels,
    "annotations": _annotations,
    "ownerReferences": _owners,
    "finalizers": _finalizers,
}

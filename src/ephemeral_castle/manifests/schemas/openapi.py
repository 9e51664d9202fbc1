"""Built-in kinds out of the OpenAPI of one Kubernetes version (`swagger.json`, or the same under `$defs`). Pure.

Each kind becomes an entry of its own that holds the definitions it reaches, so that one kind is read without the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_KINDS: Final = "x-kubernetes-group-version-kind"
_KEPT: Final = ("type", "format", "required", "enum", "x-kubernetes-list-type", "x-kubernetes-list-map-keys")
# Kinds that requests and answers are made of; no manifest has them.
_NO_OBJECTS: Final = frozenset({"DeleteOptions", "WatchEvent", "Status", "APIGroup", "APIGroupList", "APIVersions"})


@dataclass(frozen=True)
class Definitions:
    """What one built-in kind is made of.

    Attributes:
        api: group and version.
        kind: as in `kind`.
        root: name of its definition.
        parts: all definitions that it reaches, by name, without prose; `$ref` names another one.
    """

    api: str
    kind: str
    root: str
    parts: Mapping[str, Any] = field(default_factory=dict)


def is_openapi(document: object) -> bool:
    """Whether a document describes built-in kinds."""
    return any(name.startswith("io.k8s.api.core.") for name in _definitions(document))


def builtin_kinds(document: Mapping[str, Any]) -> Iterator[Definitions]:
    """Every kind that a manifest can have, lists left out."""
    found = _definitions(document)
    for name, node in found.items():
        for api, kind in _named(node):
            if not kind.endswith("List") and kind not in _NO_OBJECTS and "metadata" in (node.get("properties") or {}):
                yield Definitions(api, kind, name, _reached(name, found))


def _definitions(document: object) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        return {}
    found = document.get("definitions") or document.get("$defs") or {}
    return found if isinstance(found, Mapping) else {}


def _named(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for each in node.get(_KINDS) or ():
        group, version = each.get("group") or "", each["version"]
        yield (f"{group}/{version}" if group else version), each["kind"]


def _reached(root: str, found: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name in out or name not in found:
            continue
        refs: set[str] = set()
        out[name] = _lean(found[name], refs)
        waiting += refs
    return out


def _lean(node: Mapping[str, Any], refs: set[str]) -> dict[str, Any]:
    out: dict[str, Any] = {key: node[key] for key in _KEPT if key in node}
    kinds = out.get("type")
    if isinstance(kinds, list):
        out["type"] = next(each for each in kinds if each != "null")
    reference = node.get("$ref") or next((each["$ref"] for each in node.get("allOf") or () if "$ref" in each), None)
    if reference:
        out["$ref"] = str(reference).rpartition("/")[2]
        refs.add(out["$ref"])
    if node.get("properties"):
        out["properties"] = {key: _lean(each, refs) for key, each in node["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), Mapping):
            out[key] = _lean(node[key], refs)
    return out

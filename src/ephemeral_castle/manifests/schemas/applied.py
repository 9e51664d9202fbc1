"""How server-side apply names a field, which is how Flux refuses one that the schema lacks.

Source: `fieldpath.PathElement` of sigs.k8s.io/structured-merge-diff v6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ephemeral_castle.manifests.schemas.fault import Step, go_json, quoted, shown_value

# The schema at a path.
Nodes = Callable[[Sequence[Step]], Mapping[str, Any]]


def path(nodes: Nodes, document: Any, steps: Sequence[Step]) -> str:
    """A path in that notation: `.spec.repos[name="repo1"].s3Credentials`.

    Args:
        nodes: schemas of the kind.
        document: the root.
        steps: from the root.
    """
    out, value = "", document
    for at, step in enumerate(steps):
        value = _value(value, step)
        out += _item(nodes(steps[:at]), value, step) if isinstance(step, int) else f".{step}"
    return out


def sentence(nodes: Nodes, document: Any, steps: Sequence[Step]) -> str:
    """The whole refusal of an unknown field."""
    return f"{path(nodes, document, steps)}: field not declared in schema"


def _value(value: Any, step: Step) -> Any:
    try:
        return value[step]
    except (KeyError, IndexError, TypeError):
        return None


def _item(node: Mapping[str, Any], item: Any, at: int) -> str:
    what = node.get("x-kubernetes-list-type")
    if what == "set" and item is not None:
        return f"[={quoted(item) if isinstance(item, str) else go_json(item)}]"
    keys = sorted(node.get("x-kubernetes-list-map-keys") or ()) if what == "map" else []
    parts = (node.get("items") or {}).get("properties") or {}
    named = [(key, _value(item, key) or (parts.get(key) or {}).get("default")) for key in keys]
    shown = [f"{key}={shown_value(value)}" for key, value in named if value is not None]
    return f"[{','.join(shown)}]" if shown else f"[{at}]"

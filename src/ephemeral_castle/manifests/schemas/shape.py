"""What the API server does to a document before it validates it, on a copy.

Fields that the schema lacks are found, `null` of a value that may not be null is dropped, defaults are put in.

Source: packages pruning and defaulting of k8s.io/apiextensions-apiserver 0.36.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ephemeral_castle.manifests.schemas.fault import Step

# Paths of fields that the schema lacks, the innermost step first.
Unknown = list[list[Step]]
# Gives the completed copy of a value, and adds what it does not know.
Shape = Callable[[Any, Unknown], Any]

_META: Final = frozenset({"apiVersion", "kind", "metadata"})
_SCALARS: Final = frozenset({str, int, float, bool})
_MISSING: Final = object()


def copied(value: Any) -> Any:
    """A copy of plain JSON; places of a manifest are left behind."""
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    if isinstance(value, list):
        return [copied(each) for each in value]
    return value


def shape(schema: Mapping[str, Any] | None, *, root: bool = False) -> Shape:
    """Compiles a schema; None: one that knows nothing."""
    if schema is None:
        return _bare
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return _Kept(schema, root=root)
    return _Pruned(schema, root=root)


def _bare(value: Any, unknown: Unknown) -> Any:
    """A value without any schema: every field of every map in it is one too many."""
    if isinstance(value, dict):
        unknown.extend([key] for key in value)
        return {}
    if isinstance(value, list):
        return [_within(_bare, each, at, unknown) for at, each in enumerate(value)]
    return value


def _within(child: Shape, value: Any, step: Step, unknown: Unknown) -> Any:
    """Shapes a part; what it does not know gets the step before its path."""
    known = len(unknown)
    out = child(value, unknown)
    if len(unknown) != known:
        for path in unknown[known:]:
            path.append(step)
    return out


class _Node:
    """One node of a schema, compiled down to its properties when it is first met."""

    def __init__(self, schema: Mapping[str, Any], *, root: bool) -> None:
        self.meta = _META if root or schema.get("x-kubernetes-embedded-resource") else frozenset()
        self.properties: Mapping[str, Any] = schema.get("properties") or {}
        more = schema.get("additionalProperties")
        self.more_allowed = more is not None and more is not False
        self.more: Mapping[str, Any] | None = more if isinstance(more, Mapping) else None
        self.items: Mapping[str, Any] | None = schema.get("items")
        self.children: dict[str, tuple[Shape, bool, Any]] = {}
        self.defaults: list[tuple[str, Callable[[], Any]]] = [
            (key, _default(each)) for key, each in self.properties.items() if each.get("default") is not None
        ]
        self._other: tuple[Shape, bool, Any] | None = None
        self._item: Shape | None = None

    def child(self, key: str) -> tuple[Shape, bool, Any] | None:
        """How a key's value is shaped, whether null is dropped, its default; None: no such key."""
        found = self.children.get(key)
        if found is not None:
            return found
        schema = self.properties.get(key)
        if schema is not None:
            self.children[key] = built = _built(schema)
            return built
        if not self.more_allowed:
            return None
        if self._other is None:
            self._other = _built(self.more)
        return self._other

    def item(self) -> Shape:
        """How an item is shaped."""
        if self._item is None:
            self._item = shape(self.items)
        return self._item

    def complete(self, out: dict[str, Any]) -> None:
        """Puts in the defaults of absent properties."""
        for key, default in self.defaults:
            if key not in out:
                out[key] = default()


def _built(schema: Mapping[str, Any] | None) -> tuple[Shape, bool, Any]:
    if schema is None:
        return _bare, False, None
    default = _default(schema) if schema.get("default") is not None else None
    return shape(schema), not schema.get("nullable"), default


def _default(schema: Mapping[str, Any]) -> Callable[[], Any]:
    """Gives a fresh default each time: itself completed by the defaults inside of it."""
    value = schema["default"]
    if value.__class__ in _SCALARS:
        return lambda: value
    made: list[Any] = []

    def fresh() -> Any:
        if not made:
            made.append(shape(schema)(value, []))
        return copied(made[0])

    return fresh


class _Pruned(_Node):
    """A node that takes only what it names."""

    def __call__(self, value: Any, unknown: Unknown) -> Any:
        kind = value.__class__
        if kind in _SCALARS or value is None:
            return value
        if isinstance(value, dict):
            return self._map(value, unknown)
        if isinstance(value, list):
            return self._list(value, unknown)
        return value

    def _map(self, value: dict[str, Any], unknown: Unknown) -> dict[str, Any]:
        out: dict[str, Any] = {}
        children = self.children
        for key, each in value.items():
            found = children.get(key) or self.child(key)
            if found is None or key in self.meta:
                if key in self.meta:
                    if each is not None or found is None or not found[1]:
                        out[key] = each
                    continue
                unknown.append([key])
                continue
            if each.__class__ in _SCALARS:
                out[key] = each
            elif each is None and found[1]:
                if found[2] is not None:
                    out[key] = found[2]()
            else:
                known = len(unknown)
                out[key] = found[0](each, unknown)
                if len(unknown) != known:
                    for path in unknown[known:]:
                        path.append(key)
        if self.defaults:
            self.complete(out)
        return out

    def _list(self, value: list[Any], unknown: Unknown) -> list[Any]:
        item = self.item()
        default = self.items.get("default") if self.items else None
        out = []
        for at, each in enumerate(value):
            if each.__class__ in _SCALARS:
                out.append(each)
            elif each is None:
                out.append(
                    copied(default) if default is not None and self.items and not self.items.get("nullable") else None
                )
            else:
                out.append(_within(item, each, at, unknown))
        return out


class _Kept(_Node):
    """A node with `x-kubernetes-preserve-unknown-fields`: what it does not name stays as it is."""

    def __call__(self, value: Any, unknown: Unknown) -> Any:
        if isinstance(value, dict):
            out: dict[str, Any] = {}
            for key, each in value.items():
                found = None if key in self.meta else self.child(key)
                if found is None:
                    out[key] = copied(each)
                elif each is None and found[1]:
                    if found[2] is not None:
                        out[key] = found[2]()
                else:
                    out[key] = _within(found[0], each, key, unknown)
            self.complete(out)
            return out
        if isinstance(value, list) and self.items is not None:
            kept = _Kept({**self.items}, root=False)
            return [_within(kept, each, at, unknown) for at, each in enumerate(value)]
        return copied(value)

"""Compiles the nodes of a schema into checks of completed values, with the API server's own findings and order.

A check gives None for a value without faults, else its faults, whose paths begin at the value.

Source: package validate of k8s.io/kube-openapi, as k8s.io/apiextensions-apiserver 0.36 uses it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ephemeral_castle.manifests.schemas import numbers, texts
from ephemeral_castle.manifests.schemas.fault import (
    INVALID,
    NAME,
    REQUIRED,
    TOO_MANY,
    TYPE,
    UNSUPPORTED,
    Fault,
    go_json,
    quoted,
)
from ephemeral_castle.manifests.schemas.junctors import NAMES, Junctors

_KINDS: Final[dict[type, str]] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "object",
    list: "array",
    type(None): "null",
}
_LARGEST: Final = int(sys.float_info.max)
_FORMATS: Final = {"integer": "int64", "number": "float64"}


def kind(value: Any) -> str:
    """The JSON type of a value."""
    found = _KINDS.get(value.__class__)
    if found is None:
        found = next((name for of, name in _KINDS.items() if isinstance(value, of)), "string")
        _KINDS[value.__class__] = found
    if found == "integer" and not numbers.LEAST <= value <= numbers.MOST:
        return "number"  # JSON on the wire: what does not fit into 64 bits is read as a floating point number
    return found


class Node:
    """One node of a schema; its children are compiled when a value first needs them."""

    __slots__ = (
        "_item",
        "_others",
        "_parts",
        "enum",
        "format",
        "items",
        "junctors",
        "limits",
        "more",
        "nullable",
        "number",
        "only",
        "plain",
        "properties",
        "required",
        "schema",
        "string",
        "types",
    )

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema
        self.types: tuple[str, ...] = (schema["type"],) if schema.get("type") else ()
        if schema.get("x-kubernetes-int-or-string"):
            self.types = ("integer", "string")
        self.only = self.types[0] if len(self.types) == 1 else ""
        self.format = texts.known_format(str(schema.get("format") or ""), self.only, len(self.types))
        self.nullable = bool(schema.get("nullable"))
        self.enum: Sequence[Any] | None = schema.get("enum") or None
        self.string = texts.check(schema, self.format if self.only in ("", "string") else "")
        self.number = numbers.check(schema, self.only, self.format)
        self.properties: Mapping[str, Any] = schema.get("properties") or {}
        self.required: Sequence[str] = schema.get("required") or ()
        more = schema.get("additionalProperties")
        self.more: Mapping[str, Any] | None = more if isinstance(more, Mapping) else None
        self.items: Mapping[str, Any] | None = schema.get("items")
        self.junctors = Junctors(schema, Node) if any(schema.get(each) is not None for each in NAMES) else None
        self.limits = any(
            schema.get(each) is not None for each in ("minProperties", "maxProperties", "minItems", "maxItems")
        )
        bare = not (self.format or self.enum or self.string or self.junctors)
        # The class whose values this node takes without another question; maps pass them over.
        self.plain: type | None = {"string": str, "boolean": bool}.get(self.only) if bare else None
        self._parts: dict[str, Node] = {}
        self._others: Node | None = None
        self._item: Node | None = None

    def __call__(self, value: Any) -> list[Fault] | None:
        """Checks a value."""
        what = _KINDS.get(value.__class__) or kind(value)
        faults: list[Fault] = []
        if value is None:
            if self.types and not self.nullable:
                faults.append(_mistyped(self.types, "null"))
            return self._listed(value, faults)
        if what == "integer" and not numbers.LEAST <= value <= numbers.MOST:
            what, value = "number", float(min(value, _LARGEST) if value > 0 else max(value, -_LARGEST))
        if what != self.only or self.format:
            self._typed(value, what, faults)
        if self.junctors is not None:
            faults += self.junctors(value)
        if what == "string":
            if self.string is not None:
                faults += self.string(value)
        elif what == "object":
            if self.enum is not None:
                self._listed(value, faults)
            self._map(value, faults)
            return faults or None
        elif what == "array":
            self._list(value, faults)
        elif self.number is not None and what != "boolean":
            faults += self.number(value)
        if self.enum is not None:
            self._listed(value, faults)
        return faults or None

    def _typed(self, value: Any, what: str, faults: list[Fault]) -> None:
        if not (self.types or self.format):
            return
        whole = what == "number" and "integer" in self.types and numbers.is_whole(value)
        fits = what in self.types or whole or (what == "integer" and "number" in self.types)
        own = _FORMATS.get(what, "")
        if self.format and what not in ("string", "array") and not (fits or own == self.format):
            faults.append(_mistyped((self.format,), own))
            return
        loose = self.format and not {"number", "integer"} & set(self.types) and what in ("string", "array")
        if not (fits or loose):
            faults.append(_mistyped(self.types, what))

    def _listed(self, value: Any, faults: list[Fault]) -> list[Fault] | None:
        if self.enum is not None and not any(_same(value, each) for each in self.enum):
            listed = ", ".join(quoted(each if isinstance(each, str) else go_json(each)) for each in self.enum)
            faults.append(Fault(UNSUPPORTED, value, f"supported values: {listed}"))
        return faults or None

    def weight(self, value: Any) -> int:
        """How many of its checks began on a value, as the server counts them to find the best fit."""
        what = kind(value)
        if value is None:
            return int(not self.types or self.nullable)
        faults: list[Fault] = []
        self._typed(value, what, faults)
        total = 4 + (1 + (not faults) if self.types or self.format else 0)  # itself, junctors twice, enumeration
        total += self.junctors.weight(value) if self.junctors is not None else 0
        if what == "string":
            return total + 1 + bool(self.format and self.only in ("", "string"))
        if what == "array":
            parts: Iterable[tuple[Node | None, Any]] = ((self._items(), each) for each in value)
            total += 2
        elif what == "object":
            parts = ((self.part(key), each) for key, each in value.items())
            total += 1
        else:
            return total + (2 if what != "boolean" else 0)
        return total + sum(part.weight(each) for part, each in parts if part is not None)

    def part(self, key: str) -> Node | None:
        """The check of a key's value; None: nothing is asked of it."""
        found = self._parts.get(key)
        if found is not None:
            return found
        schema = self.properties.get(key)
        if schema is not None:
            self._parts[key] = built = Node(schema)
            return built
        if self.more is None:
            return None
        if self._others is None:
            self._others = Node(self.more)
        return self._others

    def _map(self, value: Mapping[str, Any], faults: list[Fault]) -> None:
        parts = self._parts
        if self.limits:
            self._counted(len(value), "Properties", "properties", faults)
        for key, each in value.items():
            part = parts.get(key) or self.part(key)
            if part is not None and part.plain is not each.__class__:
                found = part(each)
                if found:
                    for fault in found:
                        fault.steps.append(key)
                    faults += found
        for key in self.required:
            if key not in value:
                faults.append(Fault(REQUIRED, steps=[key]))

    def _items(self) -> Node | None:
        if self._item is None and self.items is not None:
            self._item = Node(self.items)
        return self._item

    def _list(self, value: Sequence[Any], faults: list[Fault]) -> None:
        item = self._items()
        if item is not None:
            plain = item.plain
            for at, each in enumerate(value):
                if plain is each.__class__:
                    continue
                found = item(each)
                if found:
                    for fault in found:
                        fault.steps.append(at)
                    faults += found
        if self.limits:
            self._counted(len(value), "Items", "items", faults)

    def _counted(self, size: int, limit: str, word: str, faults: list[Fault]) -> None:
        least, most = self.schema.get(f"min{limit}"), self.schema.get(f"max{limit}")
        if least is not None and size < least:
            faults.append(Fault(INVALID, size, f"{NAME} in body should have at least {least} {word}"))
        if most is not None and size > most:
            faults.append(Fault(TOO_MANY, size, f"must have at most {most} {'item' if most == 1 else 'items'}"))


def _mistyped(wanted: Sequence[str], what: str) -> Fault:
    return Fault(TYPE, what, f"{NAME} in body must be of type {','.join(wanted)}: {quoted(what)}")


def _same(value: Any, listed: Any) -> bool:
    """Whether a value is one of an enumeration: the server first converts it to the type of the listed one."""
    of, to = kind(value), kind(listed)
    if of == to:
        return bool(value == listed)
    if of == "number" and to == "integer":
        return math.isfinite(value) and bool(int(value) == listed)
    if of == "integer" and to == "number":
        return bool(float(value) == listed)
    if of == "integer" and to == "string":  # Go takes a number for the code of a character
        return bool((chr(value) if 0 <= value < 0x110000 else "\ufffd") == listed)
    return False

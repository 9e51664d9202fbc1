"""Hands values to CEL as their schema types them: names escaped, numbers real, times and bytes of their own types.

The library takes plain values only, so a duration or a time goes in as a string, and the rule is wrapped into an
expression that converts it: `[lifted].all(self, RULE)`.

Source: `UnstructuredToVal` and `Escape` of k8s.io/apiserver 0.36.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ephemeral_castle.manifests.schemas.cel import NotEvaluableError
from ephemeral_castle.manifests.schemas.durations import duration
from ephemeral_castle.manifests.schemas.formats import is_date

Convert = Callable[[Any], Any]

_RESERVED: Final = frozenset({
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import",
    "let", "loop", "package", "namespace", "return", "var", "void", "while",
})  # fmt: skip
_ESCAPED: Final = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_LIFTED: Final = {"duration": "duration", "date": "timestamp", "date-time": "timestamp"}
_NAMES: Final = {"type": "object", "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}}}


def escaped(name: str) -> str | None:
    """A property's name as rules write it; None: no rule can reach it."""
    if name in _RESERVED:
        return f"__{name}__"
    if not name or name[0].isdigit() or re.search(r"[^a-zA-Z0-9\-./_]", name):
        return None
    return re.sub(r"__|[-./]", lambda found: _ESCAPED[found[0]], name)


def with_meta(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a whole object: of its metadata rules see the names only."""
    text = {"type": "string"}
    own = {"apiVersion": text, "kind": text, "metadata": _NAMES}
    return {**schema, "properties": {**(schema.get("properties") or {}), **own}}


def converter(schema: Mapping[str, Any]) -> Convert | None:
    """How a value of a node is handed over; None: as it is."""
    kind = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        return _whole
    if kind == "number":
        return lambda value: float(value) if isinstance(value, int) else value
    if kind == "string":
        typed = _TYPED.get(str(schema.get("format") or ""))
        return None if typed is None else _guarded(str, typed)
    if kind == "array":
        item = converter(schema.get("items") or {})
        return None if item is None else _guarded(list, lambda value: [item(each) for each in value])
    if kind != "object":
        return None
    if schema.get("properties") or schema.get("x-kubernetes-embedded-resource"):
        return _object(with_meta(schema) if schema.get("x-kubernetes-embedded-resource") else schema)
    more = schema.get("additionalProperties")
    inner = converter(more) if isinstance(more, Mapping) else None
    if inner is None:
        return None
    return _guarded(dict, lambda value: {key: inner(each) for key, each in value.items()})


def _object(schema: Mapping[str, Any]) -> Convert | None:
    properties = schema.get("properties") or {}
    parts = {key: converter(each) for key, each in properties.items()}
    named = {key: escaped(key) for key in properties}
    plain = not any(parts.values()) and all(key == name for key, name in named.items())
    if plain and not schema.get("x-kubernetes-preserve-unknown-fields"):
        return None

    def convert(value: Any) -> Any:
        out = {}
        for key, each in value.items():
            name = named.get(key)
            if name is not None:
                part = parts[key]
                out[name] = part(each) if part is not None else each
        return out

    return _guarded(dict, convert)


def _whole(value: Any) -> Any:
    if isinstance(value, float):  # the server takes 2.0 for an integer, but its rules cannot read it
        raise NotEvaluableError("invalid data, expected XIntOrString value to be either a string or integer")
    return value


def _guarded(wanted: type, typed: Convert) -> Convert:
    """Converts values of one class, and null into itself.

    The server lets a list through where a string with a format is wanted, and its rules then cannot read it.
    """

    def convert(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, wanted):
            raise NotEvaluableError(f"invalid data, expected {wanted.__name__}, got {value!r}")
        return typed(value)

    return convert


def _bytes(value: Any) -> Any:
    try:
        return base64.b64decode(value, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotEvaluableError(str(error)) from error


def _duration(value: Any) -> Any:
    found = duration(value)
    if found is None:
        raise NotEvaluableError(f"no duration: {value}")
    return f"{found}ns"


def _time(value: Any) -> Any:
    try:
        found = datetime.fromisoformat(value.upper())
    except ValueError as error:
        raise NotEvaluableError(str(error)) from error
    if is_date(value) or found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return found.astimezone(UTC).isoformat().replace("+00:00", "Z")


_TYPED: Final = {"byte": _bytes, "duration": _duration, "date": _time, "date-time": _time}


def lifted(schema: Mapping[str, Any], at: str, words: frozenset[str]) -> str | None:
    """The expression that gives durations and times of a value their types; None: it has none that a rule names.

    Args:
        schema: of the value.
        at: the expression that gives the value.
        words: the identifiers of the rule.
    """
    kind, form = schema.get("type"), str(schema.get("format") or "")
    if kind == "string" and form in _LIFTED:
        made = f"dyn({_LIFTED[form]}({at}))"
        return f"({at} == null ? dyn(null) : {made})" if schema.get("nullable") else made
    if kind == "array" and isinstance(schema.get("items"), Mapping):
        inner = lifted(schema["items"], "each__", words)
        return f"{at}.map(each__, {inner})" if inner else None
    properties = {
        name: each for key, each in (schema.get("properties") or {}).items() if (name := escaped(key)) in words and name
    }
    parts = {name: lifted(each, "part__", words) for name, each in properties.items()} if kind == "object" else {}
    if not any(parts.values()):
        return None
    fields = [
        f'?"{name}": {at}.?{name}.optMap(part__, {inner})' if inner else f'?"{name}": {at}.?{name}'
        for name, inner in parts.items()
    ]
    return "{" + ", ".join(fields) + "}"


_VALIDATE: Final = re.compile(r"format\.(?:(\w+)\(\)|named\(\s*(['\"])(\w+)\2\s*\)\.value\(\))\.validate\(")


def rewritten(expression: str) -> str:
    """An expression in which `format.x().validate(y)` gives its optional in a way that cel-cpp can."""
    while found := _VALIDATE.search(expression):
        depth, at = 1, found.end()
        while depth and at < len(expression):
            depth += {"(": 1, ")": -1}.get(expression[at], 0)
            at += 1
        name, inner = found[1] or found[3], expression[found.end() : at - 1]
        call = f'optional.ofNonZeroValue(castle.formatted("{name}", {inner}))'
        expression = expression[: found.start()] + call + expression[at:]
    return expression

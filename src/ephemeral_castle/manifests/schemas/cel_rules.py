"""The rules of CEL in a schema (`x-kubernetes-validations`), compiled when a document first reaches them.

Source: `Validator` of k8s.io/apiextensions-apiserver 0.36, package schema/cel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ephemeral_castle.manifests.schemas import cel_values
from ephemeral_castle.manifests.schemas.cel import NotEvaluableError, Program, RuleError, engine
from ephemeral_castle.manifests.schemas.fault import (
    DUPLICATE,
    FORBIDDEN,
    INVALID,
    OMITTED,
    REQUIRED,
    Fault,
    Key,
    Step,
)

_LITERAL: Final = (
    r"(?s)[rRbB]{0,2}(\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
)
_WORD: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_SELF: Final = r"(?<![A-Za-z0-9_.])self\b(\s*\.\s*\??\s*([A-Za-z_][A-Za-z0-9_]*)(\s*\()?)?"
_FIELD: Final = r"\.([^.\[\]']+)|\['((?:[^'\\]|\\.)*)'\]"
_OLD: Final = r"\boldSelf\b"
_MOST_MESSAGE: Final = 5 * 1024  # bytes of a message that an expression gives
_REASONS: Final = {each: each for each in (INVALID, FORBIDDEN, REQUIRED, DUPLICATE)}


@dataclass
class Tally:
    """What came of the rules for one document: how many were evaluated, and how many nobody here could evaluate."""

    evaluated: int = 0
    unknown: int = 0


class Rules:
    """All rules of one schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.tally = Tally()
        self._root = _Node(schema, self.tally, root=True)

    def __call__(self, value: Any) -> tuple[list[Fault], int, int]:
        """What they say of a completed document; how many were evaluated, and how many could not be."""
        self.tally.evaluated = self.tally.unknown = 0
        faults = self._root(value)
        return faults, self.tally.evaluated, self.tally.unknown


def compiled(schema: Mapping[str, Any]) -> Rules | None:
    """The rules of a schema; None: it has none."""
    return Rules(schema) if next(_all(schema), None) is not None else None


def _all(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from schema.get("x-kubernetes-validations") or ()
    for inner in _inner(schema):
        yield from _all(inner)


def _inner(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from (schema.get("properties") or {}).values()
    yield from (each for key in ("items", "additionalProperties") if isinstance(each := schema.get(key), Mapping))


class _Node:
    """The rules of one node of a schema, and the nodes below it that have some."""

    def __init__(self, schema: Mapping[str, Any], tally: Tally, *, root: bool = False) -> None:
        self._schema, self._tally = schema, tally
        self._whole = root or bool(schema.get("x-kubernetes-embedded-resource"))
        own = list(schema.get("x-kubernetes-validations") or ())
        own += [rule for each in schema.get("allOf") or () for rule in each.get("x-kubernetes-validations") or ()]
        self._own = own
        self._rules: list[_Rule] | None = None if own else []
        self._convert: cel_values.Convert | None = None
        self._names: frozenset[str] | None = None
        self._parts: dict[str, _Node] = {}
        self._others = self._items = None
        if any(True for _ in _deep(schema)):
            below = {key: each for key, each in (schema.get("properties") or {}).items() if _has(each)}
            self._parts = {key: _Node(each, tally) for key, each in below.items()}
            more, item = schema.get("additionalProperties"), schema.get("items")
            self._others = _Node(more, tally) if isinstance(more, Mapping) and _has(more) else None
            self._items = _Node(item, tally) if isinstance(item, Mapping) and _has(item) else None

    def __call__(self, value: Any) -> list[Fault]:
        """The faults of a value and of all in it."""
        if value is None:
            return []
        out: list[Fault] = []
        if self._rules is None:
            self._compile()
        if self._rules:
            out = self._evaluated(value)
        if isinstance(value, dict):
            for key, part in self._parts.items():
                if key in value:
                    out += [fault.under(key) for fault in part(value[key])]
            if self._others is not None:
                out += [fault.under(Key(key)) for key, each in value.items() for fault in self._others(each)]
        elif self._items is not None and isinstance(value, list):
            out += [fault.under(at) for at, each in enumerate(value) for fault in self._items(each)]
        return out

    def _compile(self) -> None:
        schema = cel_values.with_meta(self._schema) if self._whole else self._schema
        self._convert = cel_values.converter(schema)
        self._rules = [_Rule(each, schema) for each in self._own]
        needed = [each.names for each in self._rules if each.live]
        if schema.get("type") == "object" and self._convert is None and all(each is not None for each in needed):
            self._names = frozenset(name for each in needed for name in each or ())

    def _evaluated(self, value: Any) -> list[Fault]:
        out: list[Fault] = []
        variables: dict[str, Any] | None = None
        for rule in self._rules or ():
            if not rule.live:
                continue
            try:
                if variables is None:
                    variables = {"self": self._handed(value)}
                found = rule(variables, value)
            except NotEvaluableError:
                self._tally.unknown += 1
                continue
            self._tally.evaluated += 1
            if found is not None:
                out.append(found)
        return out

    def _handed(self, value: Any) -> Any:
        if self._convert is not None:
            return self._convert(value)
        if self._names is not None and isinstance(value, dict):
            return {name: value[name] for name in self._names if name in value}
        return value


def _has(schema: Mapping[str, Any]) -> bool:
    return next(_deep(schema, own=True), None) is not None


def _deep(schema: Mapping[str, Any], *, own: bool = False) -> Iterator[Mapping[str, Any]]:
    if own:
        yield from schema.get("x-kubernetes-validations") or ()
        for each in schema.get("allOf") or ():
            yield from each.get("x-kubernetes-validations") or ()
    for inner in _inner(schema):
        yield from _deep(inner, own=True)


class _Rule:
    """One rule."""

    def __init__(self, rule: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
        self._text = str(rule.get("rule") or "").strip()
        self._says = str(rule.get("message") or "").strip()
        self._reason = _REASONS.get(str(rule.get("reason") or ""), INVALID)
        self._kind = str(schema.get("type") or "")
        self._field = list(reversed(list(_field(str(rule.get("fieldPath") or "")))))
        bare = re.sub(_LITERAL, '""', self._text)
        old = bool(re.search(_OLD, bare))
        optional = bool(rule.get("optionalOldSelf"))
        # A creation has no old value: what compares with one is not evaluated.
        self.live = bool(self._text) and (optional or not old)
        self._schema, self._old = schema, old
        self._words = frozenset(re.findall(_WORD, bare))
        message = str(rule.get("messageExpression") or "")
        self._message_text = message
        self.names = _named(bare) if not message else _both(bare, re.sub(_LITERAL, '""', message))
        self._program: Program | NotEvaluableError | None = None
        self._message: Program | None = None

    def __call__(self, variables: Mapping[str, Any], value: Any) -> Fault | None:
        """What it says of a value.

        Raises:
            NotEvaluableError: nobody here can tell.
        """
        if self._program is None:
            self._program = self._compiled(self._text, "all")
        if isinstance(self._program, NotEvaluableError):
            raise self._program
        try:
            if self._program(variables) is True:
                return None
        except RuleError as error:
            return self._failed(str(error))
        detail = self._given(variables) or self._says or f"failed rule: {self._text}"
        shown = OMITTED if self._kind in ("object", "array") or self._reason in (FORBIDDEN, REQUIRED) else value
        detail = "" if self._reason == DUPLICATE else detail
        return Fault(self._reason, shown, detail, list(self._field), dotted=False, rule=self._text)

    def _failed(self, error: str) -> Fault:
        shown = self._says or self._text
        if error.startswith("no such overload"):
            match = "call arguments did not match a supported operator, function or macro signature for rule"
            says = f"'{error}': {match}: {shown}"
        else:
            says = f"{error} evaluating rule: {shown}"
        return Fault(INVALID, self._kind, says, dotted=False, rule=self._text)

    def _compiled(self, text: str, how: str) -> Program | NotEvaluableError:
        text = cel_values.rewritten(text)
        words = self._words | frozenset(re.findall(_WORD, re.sub(_LITERAL, '""', text)))
        lift = cel_values.lifted(self._schema, "self", words)
        if lift is not None:
            text = f"[{lift}].{how}(self, {text})" + ("[0]" if how == "map" else "")
        if self._old:
            text = f"cel.bind(oldSelf, dyn(optional.none()), {text})"
        compiler = engine()  # loaded by the first rule that a document reaches
        if compiler is None:
            return NotEvaluableError("cel-expr-python is not installed here")
        try:
            return compiler.compile(text)
        except NotEvaluableError as error:
            return error

    def _given(self, variables: Mapping[str, Any]) -> str:
        """The message that the rule's expression gives; "" where it gives none that the server takes."""
        if not self._message_text:
            return ""
        if self._message is None:
            found = self._compiled(self._message_text, "map")
            if isinstance(found, NotEvaluableError):
                return ""
            self._message = found
        try:
            text = self._message(variables)
        except (RuleError, NotEvaluableError):
            return ""
        text = text.strip() if isinstance(text, str) else ""
        return "" if "\n" in text or len(text.encode()) > _MOST_MESSAGE else text


def _named(bare: str) -> frozenset[str] | None:
    """The fields of `self` that an expression names; None: it uses `self` as a whole."""
    names: set[str] = set()
    for found in re.finditer(_SELF, bare):
        if not found[2] or found[3]:
            return None
        names.add(found[2])
    return frozenset(names)


def _both(one: str, other: str) -> frozenset[str] | None:
    names: Sequence[frozenset[str] | None] = (_named(one), _named(other))
    return None if None in names else frozenset().union(*(each for each in names if each is not None))


def _field(path: str) -> Iterator[Step]:
    for plain, quoted in re.findall(_FIELD, path):
        yield plain or re.sub(r"\\(.)", r"\1", quoted)

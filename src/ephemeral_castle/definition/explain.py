"""Errors of pydantic, put at the right place of the file and into words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ephemeral_castle.definition.diagnostic import Diagnostic, Span
from ephemeral_castle.definition.nodes import Entry, Mapping, Node, Path, Scalar, follow
from ephemeral_castle.definition.shape import fields, models_at
from ephemeral_castle.definition.suggest import did_you_mean
from ephemeral_castle.model.excerpt import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

    from ephemeral_castle.definition.source import Source

MOST = 500  # errors of one model that are put into words
_KEY = "[key]"  # how pydantic's locations say "the key, not the value"
_QUOTED = re.compile(r"'([^']*)'")
_MAPPINGS = {"dict_type", "model_type", "model_attributes_type", "mapping_type", "dataclass_type"}
_LISTS = {"list_type", "tuple_type", "set_type", "frozen_set_type"}
_KINDS = {"string_type": "a text", "int_type": "a whole number", "int_from_float": "a whole number",
          "int_parsing": "a whole number", "float_type": "a number", "float_parsing": "a number",
          "bool_type": "`true` or `false`", "bool_parsing": "`true` or `false`"}  # fmt: skip


def explain(
    error: ValidationError, source: Source, root: Node, model: type[BaseModel], prefix: Path = ()
) -> Iterator[Diagnostic]:
    """Every error of a validation as a diagnostic.

    Args:
        error: what pydantic found.
        source: the file.
        root: its tree.
        model: the model that was validated.
        prefix: where in the file the validated part stands.
    """
    found = [_Finding(detail, source, root, model, prefix) for detail in error.errors(include_url=False)[:MOST]]
    ways = {finding.way for finding in found}
    deeper = {way[:length] for way in ways for length in range(len(way))}
    for finding in found:
        if not (finding.of_union and finding.way in deeper):  # another member of the union fits better
            yield finding.diagnostic()


class _Finding:
    def __init__(self, detail: ErrorDetails, source: Source, root: Node, model: type[BaseModel], prefix: Path) -> None:
        self.detail = detail
        self.source = source
        self.model = model
        self.loc = detail["loc"]
        self.walk: list[tuple[str | int, Entry | None, Node]] = list(follow(root, (*prefix, *self.loc)))
        self.root = root
        self.way: Path = tuple(step for step, _, _ in self.walk)
        kind = detail["type"]
        self.of_union = kind in _KINDS.keys() | _MAPPINGS | _LISTS and len(self.way) < len(prefix) + len(self.loc)

    def diagnostic(self) -> Diagnostic:
        kind = self.detail["type"]
        if kind == "extra_forbidden":
            return self._unknown_key()
        if kind == "missing":
            return self._missing_key()
        message, hints = self._words(kind)
        name = self._name()
        place = key_span(self.walk, self.root) if self.loc[-1:] == (_KEY,) else value_span(self.walk, self.root)
        return self.source.error(place, f"`{name}`: {message}" if name else message, hints)

    def _unknown_key(self) -> Diagnostic:
        key = str(self.loc[-1])
        above = self._name(self.walk[:-1])
        known = [name for model in models_at(self.model, self.loc[:-1]) for name in fields(model)]
        taken = _keys(self.walk[-2][2] if len(self.walk) > 1 else self.root)
        hints = did_you_mean(key, [name for name in known if name not in taken] or known, what="known keys")
        message = f"unknown key `{shown(key)}`" + (f" in `{above}`" if above else "")
        return self.source.error(key_span(self.walk, self.root), message, hints)

    def _missing_key(self) -> Diagnostic:
        key, above = str(self.loc[-1]), self._name()
        message = f"`{above}` lacks the key `{key}`" if above else f"the definition lacks the key `{key}`"
        hint = f"add `{key}: ...`"
        for model in models_at(self.model, self.loc[:-1]):
            for name, info in model.model_fields.items():
                if key == (info.alias or name):
                    example = f"`{key}: {_flow(info.examples[0])}`" if info.examples else f"`{key}: ...`"
                    hint = f"add {example}" + (f" ({info.description})" if info.description else "")
        return self.source.error(key_span(self.walk, self.root), message, (hint,))

    def _words(self, kind: str) -> tuple[str, tuple[str, ...]]:
        context, given = self.detail.get("ctx", {}), self.detail.get("input")
        if "hint" in context:
            return str(context.get("message", self.detail["msg"])), (context["hint"],) if context["hint"] else ()
        if kind in _KINDS:
            return f"must be {_KINDS[kind]}, not {_kind(given)}", _fix(kind, given)
        if kind in _MAPPINGS:
            return f"must be a mapping of keys, not {_kind(given)}", ("write its keys below it, indented, or `{}`",)
        if kind in _LISTS:
            return f"must be a list, not {_kind(given)}", (f"write `[{shown(given)}]`",) if given else ()
        if kind in {"enum", "literal_error"}:
            known = _QUOTED.findall(str(context.get("expected", "")))
            return f"unknown value `{shown(given)}`", did_you_mean(str(given), known, what="known values")
        if kind in {"too_short", "string_too_short"}:
            return "is empty", ()
        if "error" in context:
            return _sentence(str(context["error"])), ()
        return _sentence(self.detail["msg"]), ()

    def _name(self, walk: list[tuple[str | int, Entry | None, Node]] | None = None) -> str:
        steps = [step for step, _, _ in (self.walk if walk is None else walk)]
        if steps and isinstance(steps[-1], int):
            keys = [step for step in steps if isinstance(step, str)]
            return f"{shown(keys[-1])}[{steps[-1]}]" if keys else f"[{steps[-1]}]"
        return shown(steps[-1]) if steps else ""


def key_span(walk: list[tuple[str | int, Entry | None, Node]], root: Node) -> Span:
    """The place of the last key on a way through the tree; for an item of a list, of the item."""
    if not walk:
        return next(iter(root.entries.values())).key if isinstance(root, Mapping) and root.entries else root.span
    _, entry, node = walk[-1]
    return entry.key if entry else node.span


def value_span(walk: list[tuple[str | int, Entry | None, Node]], root: Node) -> Span:
    """The place of the last value on a way through the tree; of its key when the value is a collection or empty."""
    if walk and isinstance(walk[-1][2], Scalar) and walk[-1][2].text:
        return walk[-1][2].span
    return key_span(walk, root)


def _keys(node: Node) -> set[str]:
    return set(node.entries) if isinstance(node, Mapping) else set()


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"the number {shown(value)}"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, list) else "a mapping"


def _fix(kind: str, given: Any) -> tuple[str, ...]:
    if kind == "string_type" and isinstance(given, int | float):
        text = str(given).lower() if isinstance(given, bool) else str(given)
        return (f'put it in quotes: `"{shown(text)}"`',)
    if kind.startswith("bool") and str(given).lower() in {"yes", "on", "y"}:
        return ("write `true`",)
    if kind.startswith("bool") and str(given).lower() in {"no", "off", "n"}:
        return ("write `false`",)
    if kind.startswith(("int", "float")) and isinstance(given, str):
        return ("write the number without quotes and without a unit",)
    return ()


def _flow(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _sentence(text: str) -> str:
    text = shown(text.removeprefix("Value error, "), 200).rstrip(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text

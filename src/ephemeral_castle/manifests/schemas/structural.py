"""Judges a custom resource as the API server judges its creation.

The order is the server's: unknown fields first, and nothing else when there are any (strict); then the completed copy
is checked, its lists, its embedded objects, its scale; the rules of CEL come last, and only when nothing blocks them.

Source: `customResourceStrategy` and `unstructuredSchemaCoercer` of k8s.io/apiextensions-apiserver 0.36.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol, cast

from ephemeral_castle.manifests.schemas import embedded, lists, metadata, names, patterns
from ephemeral_castle.manifests.schemas.checks import Node, kind
from ephemeral_castle.manifests.schemas.fault import (
    BLOCKING,
    INVALID,
    UNKNOWN,
    Cause,
    Fault,
    Step,
    cause,
    number,
    quoted,
    written,
)
from ephemeral_castle.manifests.schemas.shape import Unknown, shape

_NOT_CHECKED: Final = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation"
)
_SUFFIX: Final = "x" * 5  # stands for the five characters that the server draws
_MOST_REPLICAS: Final = 2**31 - 1


class Mode(StrEnum):
    """What becomes of a field that the schema lacks: refused, or dropped with a warning, which nobody reads."""

    STRICT = "Strict"
    WARN = "Warn"


@dataclass(frozen=True)
class Verdict:
    """What the server would answer.

    Attributes:
        code: 201 created, 400 not understood, 422 invalid.
        causes: what is wrong; for 400 one for each unknown field.
        message: the server's whole sentence; "" where it accepts.
        warnings: fields that `Warn` drops.
        unchecked: rules of CEL and patterns that nobody here could look into.
        rules: the rules of CEL that were evaluated.
    """

    code: int
    causes: tuple[Cause, ...] = ()
    message: str = ""
    warnings: tuple[Cause, ...] = ()
    unchecked: int = 0
    rules: int = 0


class Rules(Protocol):
    """The rules of CEL of one schema."""

    def __call__(self, value: Any) -> tuple[list[Fault], int, int]:
        """What they say of a completed document; how many were evaluated, and how many could not be."""
        ...


@dataclass(frozen=True)
class Definition:
    """What a CRD says of one version of a kind.

    Attributes:
        group: API group.
        version: as in `apiVersion`.
        kind: as in `kind`.
        schema: OpenAPI schema of the whole object.
        namespaced: its objects live in namespaces.
        served: the server answers for it; else it says 404.
        deprecated: what it warns of; "" where it does not.
        status: the status is a subresource: creation drops it.
        scale: paths to the replicas in spec and status, and to the selector, as written; empty without scale.
    """

    group: str
    version: str
    kind: str
    schema: Mapping[str, Any]
    namespaced: bool = True
    served: bool = True
    deprecated: str = ""
    status: bool = False
    scale: tuple[str, str, str] = ("", "", "")

    @property
    def api(self) -> str:
        """Group and version."""
        return f"{self.group}/{self.version}"


class Structural:
    """One definition, compiled. Nodes below are compiled when a document first reaches them."""

    def __init__(self, definition: Definition, rules: Rules | None = None) -> None:
        self.of = definition
        self._shape = shape(definition.schema, root=True)
        self._check = Node(definition.schema)
        self._lists = lists.compiled(definition.schema)
        self._embedded = embedded.compiled(definition.schema)
        self._rules = rules
        self._blind = 0 if patterns.available() else _patterns(definition.schema)
        self._name = names.completed(names.dns1123_subdomain)

    def node(self, path: Sequence[Step]) -> Mapping[str, Any]:
        """The schema at a path; empty where there is none."""
        found: Any = self.of.schema
        for step in path:
            found = found.get("items") if isinstance(step, int) else _part(found, step)
            if not isinstance(found, Mapping):
                return {}
        return cast("Mapping[str, Any]", found)

    @property
    def served(self) -> bool:
        """Whether the server answers for this version."""
        return self.of.served

    @property
    def deprecated(self) -> str:
        """What the server warns of; "" where it does not."""
        return self.of.deprecated

    def judge(self, document: Mapping[str, Any], mode: Mode = Mode.STRICT) -> Verdict:
        """What the server would answer to the creation of a document; the document is left as it is."""
        meta = metadata.decode(document.get("metadata"))
        error = meta.error or (embedded.error(self.of.schema, document) if self._embedded is not None else "")
        if error:
            return self._not_understood((), error)
        paths: Unknown = []
        completed: dict[str, Any] = self._shape(document, paths)
        unknown = self._unknown(meta.unknown, paths, document)
        if unknown and mode is Mode.STRICT:
            return self._not_understood(unknown)
        if self.of.status:
            completed.pop("status", None)
        return self._valid(completed, document, unknown)

    def _unknown(self, meta: Sequence[tuple[Step, ...]], paths: Unknown, document: Mapping[str, Any]) -> list[Cause]:
        found = list(meta)
        if paths:
            found += sorted((tuple(reversed(each)) for each in paths), key=lambda path: written(path, dotted=True))
        if self._embedded is not None:
            found += embedded.unknown({**self.of.schema, "x-kubernetes-embedded-resource": False}, document)
        return [Cause(UNKNOWN, written(path, dotted=True), "unknown field", path) for path in found]

    def _not_understood(self, unknown: Iterable[Cause], error: str = "") -> Verdict:
        causes = tuple(unknown)
        fields = ", ".join(f'unknown field "{each.field}"' for each in causes)
        says = error or f"strict decoding error: {fields}"
        of = self.of
        return Verdict(400, causes, f'{of.kind} in version "{of.version}" cannot be handled as a {of.kind}: {says}')

    def _valid(self, completed: dict[str, Any], document: Mapping[str, Any], dropped: list[Cause]) -> Verdict:
        faults = metadata.faults(document.get("metadata"), namespaced=self.of.namespaced, rule=self._name)
        faults += self._check(completed) or ()
        faults += self._scale(completed)
        if self._embedded is not None:
            faults += self._embedded(completed)
        if self._lists is not None:
            faults += self._lists(completed)
        unchecked, evaluated = self._blind, 0
        if self._rules is not None:
            if any(fault.reason in BLOCKING for fault in faults):
                faults.append(Fault(INVALID, None, _NOT_CHECKED, nowhere=True))
            else:
                found, evaluated, unknown = self._rules(_named(completed))
                unchecked += unknown
                faults += found
        if not faults:
            return Verdict(201, warnings=tuple(dropped), unchecked=unchecked, rules=evaluated)
        causes = tuple(dict.fromkeys(cause(fault) for fault in faults))
        return Verdict(422, causes, self._invalid(causes, document), tuple(dropped), unchecked, evaluated)

    def _invalid(self, causes: Sequence[Cause], document: Mapping[str, Any]) -> str:
        sentences = [f"{each.field}: {each.message}" for each in causes]
        said = sentences[0] if len(sentences) == 1 else f"[{', '.join(sentences)}]"
        name = (document.get("metadata") or {}).get("name") or ""
        return f"{self.of.kind}.{self.of.group} {quoted(name)} is invalid: {said}"

    def _scale(self, completed: Mapping[str, Any]) -> list[Fault]:
        spec, status, selector = self.of.scale
        out: list[Fault] = []
        for path in filter(None, (spec, status)):
            value = _nested(completed, path, "integer", "int64", out)
            if isinstance(value, int) and value < 0:
                out.append(_scaled(path, value, "should be a non-negative integer"))
            elif isinstance(value, int) and value > _MOST_REPLICAS:
                out.append(_scaled(path, value, f"should be less than or equal to {_MOST_REPLICAS}"))
        if selector:
            _nested(completed, selector, "string", "string", out)
        return out


def _part(node: Mapping[str, Any], key: str) -> Any:
    return (node.get("properties") or {}).get(key, node.get("additionalProperties"))


def _named(completed: dict[str, Any]) -> dict[str, Any]:
    """The document with the name that the server makes of `generateName`, which rules see."""
    meta = completed.get("metadata")
    if not isinstance(meta, dict) or meta.get("name") or not meta.get("generateName"):
        return completed
    return {**completed, "metadata": {**meta, "name": meta["generateName"] + _SUFFIX}}


def _patterns(schema: Mapping[str, Any]) -> int:
    """How many patterns a schema has."""
    inner = [*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties")]
    return bool(schema.get("pattern")) + sum(_patterns(each) for each in inner if isinstance(each, Mapping))


def _scaled(path: str, value: Any, says: str) -> Fault:
    """A fault of the scale; the server writes the path as the CRD does, with its leading dot."""
    return Fault(INVALID, value, says, [path], dotted=False)


def _nested(completed: Mapping[str, Any], path: str, wanted: str, go: str, out: list[Fault]) -> Any:
    """The value at a path of the scale, where it is there; one of a wrong type is a fault."""
    found: Any = completed
    steps = path.removeprefix(".").split(".")
    for at, step in enumerate(steps):
        if found is None:
            return None
        if not isinstance(found, dict):
            out.append(_mistyped(path, steps[: at + 1], found, "map[string]interface{}", go))
            return None
        if step not in found:
            return None
        found = found[step]
    if kind(found) != wanted:
        out.append(_mistyped(path, steps, found, go, go))
        return None
    return found


def _mistyped(path: str, steps: Sequence[str], found: Any, wanted: str, go: str) -> Fault:
    says = f".{'.'.join(steps)} accessor error: {_go(found)} is of the type {_type(found)}, expected {wanted}"
    return _scaled(path, "" if go == "string" else 0, says)


_TYPES: Final = {
    "string": "string",
    "integer": "int64",
    "number": "float64",
    "boolean": "bool",
    "null": "<nil>",
    "array": "[]interface {}",
    "object": "map[string]interface {}",
}


def _type(value: Any) -> str:
    return _TYPES[kind(value)]


def _go(value: Any) -> str:
    """A value as Go's `%v` prints it."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_go(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_go, value))}]"
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return str(value).lower()
    return number(float(value)) if kind(value) == "number" else str(value)

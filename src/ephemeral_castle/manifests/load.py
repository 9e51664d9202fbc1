"""Manifests as people write them: a file of many documents, read as the API server's own tools read it. Pure.

Those tools speak YAML 1.1 by Go's rules (`yes` is true, `1e3` a number, `12:30` a text, a date a text) and take the
last of two keys of one name. Here a second key is a fault: what it hides is nearly always a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import yaml

from ephemeral_castle.manifests.readiness import Manifest

DEEPEST = 100
MOST = 500_000  # nodes after aliases: the largest bundle of CRDs has 200,000
MERGE, TEXT = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:str"
PLAIN = yaml.SafeLoader("")  # knows what a plain value would be taken for
STANDARD = re.compile(r"tag:yaml\.org,2002:(str|int|float|bool|null|seq|map|timestamp|merge|value)")
TRUE = frozenset(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"])
FALSE = frozenset(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"])
NULL = frozenset(("", "~", "null", "Null", "NULL"))
INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True)
class Document:
    """One object of a file. `line`: where it begins, from 1."""

    manifest: Manifest
    line: int


@dataclass(frozen=True, order=True)
class Fault:
    """What is wrong, and where. `line` and `column` count from 1; 0: not known.

    `message`: one line, lower case, no full stop. `hint`: the fix.
    """

    line: int
    column: int
    message: str
    hint: str = ""


class _Stop(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def read(text: str) -> tuple[list[Document], list[Fault]]:
    """Every object of a file, those inside a `List` included, and what is wrong with it. Empty documents are left out.

    Each object has `apiVersion`, `kind` and `metadata.name`.
    """
    reader = _Reader()
    documents: list[Document] = []
    try:
        for node in _documents(text):
            documents += reader.document(node)
    except _Stop as stop:
        return documents, [*reader.faults, stop.fault]
    return documents, reader.faults


def plain(text: str) -> tuple[Any, list[Fault]]:
    """The value of a file of one document that need not be an object of the API; None for an empty file."""
    reader = _Reader()
    try:
        nodes = list(_documents(text))
        if len(nodes) > 1:
            raise _Stop(_fault(nodes[1], "a second document begins here", "this file is one document"))
        value = reader.value(nodes[0], 0) if nodes else None
    except _Stop as stop:
        return None, [*reader.faults, stop.fault]
    return value, reader.faults


def _documents(text: str) -> Iterator[yaml.Node]:
    """The roots of all documents."""
    kind = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML was built with it
    loader = kind(text)
    try:
        while loader.check_node():
            yield cast("yaml.Node", loader.get_node())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(" ".join(part.split()) for part in (error.context, error.problem) if part)
        raise _Stop(
            Fault(mark.line + 1 if mark else 0, mark.column + 1 if mark else 0, f"invalid YAML: {said}")
        ) from None
    except yaml.YAMLError as error:  # a character that no YAML may hold
        raise _Stop(Fault(0, 0, " ".join(str(error).split()))) from None
    finally:
        loader.dispose()


def _fault(node: yaml.Node, message: str, hint: str = "") -> Fault:
    return Fault(node.start_mark.line + 1, node.start_mark.column + 1, message, hint)


class _Reader:
    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.count = 0

    def document(self, node: yaml.Node) -> Iterator[Document]:
        """The objects of one document."""
        value = self.value(node, 0)
        if value is None:
            return
        if isinstance(value, dict) and value.get("kind") == "List" and isinstance(value.get("items"), list):
            below = next(each for key, each in node.value if key.value == "items")
            for item, where in zip(value["items"], below.value, strict=False):
                yield from self._object(item, where)
        else:
            yield from self._object(value, node)

    def _object(self, value: Any, node: yaml.Node) -> Iterator[Document]:
        if not isinstance(value, dict):
            self.faults.append(_fault(node, "a document is a mapping", "it begins with `apiVersion:` and `kind:`"))
            return
        meta = value.get("metadata")
        named = {"apiVersion": value.get("apiVersion"), "kind": value.get("kind")}
        named["metadata.name"] = meta.get("name") if isinstance(meta, dict) else None
        missing = [f"`{key}`" for key, each in named.items() if not isinstance(each, str) or not each]
        if missing:
            self.faults.append(_fault(node, f"{' and '.join(missing)} of this object must be a text"))
            return
        yield Document(value, node.start_mark.line + 1)

    def value(self, node: yaml.Node, depth: int) -> Any:
        """What a node means."""
        self.count += 1
        if depth > DEEPEST or self.count > MOST:
            raise _Stop(_fault(node, "the file is nested too deep, or too large with its aliases"))
        if not STANDARD.fullmatch(node.tag):
            raise _Stop(_fault(node, f"the tag `{node.tag}` is not read", "write the value itself"))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, depth + 1) for item in node.value]
        return _scalar(cast("yaml.ScalarNode", node))

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        lines: dict[str, int] = {}
        merged: dict[str, Any] = {}
        for key, below in node.value:
            if key.tag == MERGE:
                for name, value in self._merged(below, depth):
                    merged.setdefault(name, value)
                continue
            name = _key(key)
            if name in own:
                hint = f"the first is in line {lines[name]}; the later one would win, and nobody would know"
                self.faults.append(_fault(key, f"`{name}` stands here twice", hint))
            own[name], lines[name] = self.value(below, depth + 1), key.start_mark.line + 1
        return {**merged, **own}

    def _merged(self, node: yaml.Node, depth: int) -> Iterator[tuple[str, Any]]:
        for each in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(each, yaml.MappingNode):
                raise _Stop(_fault(each, "`<<` merges a mapping, or a list of them"))
            yield from self._mapping(each, depth + 1).items()


def _key(node: yaml.Node) -> str:
    """A key is a text: a number or a boolean is taken as one."""
    value = _scalar(node) if isinstance(node, yaml.ScalarNode) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise _Stop(_fault(node, "a key is a plain text"))


def _scalar(node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    if node.style or (node.tag == TEXT and PLAIN.resolve(yaml.ScalarNode, text, (True, False)) != TEXT):  # type: ignore[no-untyped-call]
        return text  # quoted, a block, or said to be one
    if text in NULL:
        return None
    if text in TRUE or text in FALSE:
        return text in TRUE
    digits = text.replace("_", "")
    if INTEGER.fullmatch(digits):
        return _integer(digits)
    if FLOAT.fullmatch(digits):
        return float(digits)
    if NO_NUMBER.fullmatch(text):
        raise _Stop(_fault(node, f"`{text}` is no number of JSON", "put it in quotes"))
    return text


def _integer(digits: str) -> int:
    sign, body = (-1, digits[1:]) if digits[0] == "-" else (1, digits.lstrip("+"))
    if body[:2].lower() in ("0x", "0b", "0o"):
        return sign * int(body, 0)
    return sign * int(body, 8 if len(body) > 1 and body[0] == "0" else 10)

"""The tree of a YAML file: every key and value with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ephemeral_castle.definition.diagnostic import Span

Path = tuple[str | int, ...]

# YAML 1.2.2 section 10.3.2 (core schema), without .inf and .nan: nothing in a definition is infinite.
_NULL = re.compile(r"|~|null|Null|NULL")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LONGEST_NUMBER = 40  # characters; longer digits are a text (and Python refuses to convert very long ones)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A leaf. `value`: None, bool, int, float or str; `text`: as written; `last_line`: where it ends."""

    span: Span
    value: Any
    text: str
    last_line: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping with its value."""

    key: Span
    node: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys are always texts as written, so `431:` and `no:` are what they look like."""

    span: Span
    entries: dict[str, Entry] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    span: Span
    items: list[Node] = field(default_factory=list)


Node = Scalar | Mapping | Sequence


def resolve(text: str) -> Any:
    """The value of a plain (unquoted) scalar by YAML 1.2: `no`, `on` and `12:30` stay texts."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if len(text) > _LONGEST_NUMBER:
        return text
    if _INT.fullmatch(text):
        return int(text, 0) if text.startswith(("0o", "0x")) else int(text, 10)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return text if number in {float("inf"), float("-inf")} else number
    return text


def plain(node: Node) -> Any:
    """The tree as plain data. Depth is bounded by the reader."""
    if isinstance(node, Mapping):
        return {key: plain(entry.node) for key, entry in node.entries.items()}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return node.value


def follow(root: Node, loc: Iterable[str | int]) -> Iterator[tuple[str | int, Entry | None, Node]]:
    """Goes down as far as `loc` can be followed, giving (step, entry of a mapping or None, node reached).

    Elements that are not in the document (pydantic puts names of union members and validators into its locations)
    are skipped.
    """
    node = root
    for step in loc:
        if isinstance(node, Mapping) and isinstance(step, str) and step in node.entries:
            entry = node.entries[step]
            node = entry.node
            yield step, entry, node
        elif isinstance(node, Sequence) and isinstance(step, int) and 0 <= step < len(node.items):
            node = node.items[step]
            yield step, None, node


def leaves(root: Node) -> Iterator[tuple[str, Scalar]]:
    """Every scalar with the key under which it (or the list it is in) stands, in document order."""
    stack: list[tuple[str, Node]] = [("", root)]
    while stack:
        key, node = stack.pop()
        if isinstance(node, Scalar):
            yield key, node
        elif isinstance(node, Mapping):
            stack += [(name, entry.node) for name, entry in reversed(node.entries.items())]
        else:
            stack += [(key, item) for item in reversed(node.items)]

"""YAML with places: a Compose file as a tree in which every value knows its line and column. Pure.

Aliases and merge keys (`<<`) are followed as podman-compose's own reader does; what it would quietly drop, a second key
of the same name, is an error here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import yaml

from ephemeral_castle.drivers.compose.finding import Finding, Place

DEEPEST = 60
MOST = 50_000  # nodes after aliases: a file that says "and ten of these" ten times over ends here
MERGE = "tag:yaml.org,2002:merge"
PLAIN = re.compile(r"tag:yaml\.org,2002:(str|int|float|bool|null|seq|map|timestamp|merge|value)")


@dataclass(frozen=True)
class Node:
    """A value. `value`: what YAML makes of it: text, number, bool, None, list of Node, or dict of name to Entry."""

    place: Place
    value: Any
    text: str = ""  # of a scalar, as written

    @property
    def entries(self) -> Mapping[str, Entry]:
        """Of a mapping; empty for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Node]:
        """Of a sequence; empty for anything else."""
        return self.value if isinstance(self.value, list) else []

    def get(self, *path: str) -> Node | None:
        """What stands below, or None."""
        node: Node = self
        for key in path:
            entry = node.entries.get(key)
            if entry is None:
                return None
            node = entry.node
        return node

    def plain(self) -> Any:
        """Without places."""
        if isinstance(self.value, dict):
            return {key: entry.node.plain() for key, entry in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


@dataclass(frozen=True)
class Entry:
    """One key of a mapping, and its value."""

    key: Place
    node: Node


class _Stop(Exception):
    """Nothing more can be read."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


def read(text: str, file: str) -> tuple[Node | None, list[Finding]]:
    """The tree of a file and what is wrong with it; None when there is no tree.

    Args:
        text: of the file.
        file: its path in the repository.
    """
    reader = _Reader(file)
    try:
        return reader.read(text), reader.findings
    except _Stop as stop:
        return None, [*reader.findings, stop.finding]


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.findings: list[Finding] = []
        self.count = 0
        self.constructor = yaml.SafeLoader("")

    def read(self, text: str) -> Node:
        try:
            loader = yaml.SafeLoader(text)
            if not loader.check_node():
                raise _Stop(Finding(Place(self.file, 1, 1), "the file is empty", "it needs `services:`"))
            root = loader.get_node()
            if loader.check_node():
                place = self._place(loader.peek_event())  # type: ignore[no-untyped-call]
                raise _Stop(Finding(place, "a second document begins here", "a Compose file is one document"))
        except yaml.MarkedYAMLError as error:
            raise _Stop(Finding(self._mark(error.problem_mark or error.context_mark), _said(error))) from None
        except yaml.YAMLError as error:  # a character that no YAML may hold
            raise _Stop(Finding(Place(self.file), " ".join(str(error).split()))) from None
        return self._node(cast("yaml.Node", root), 0)

    def _mark(self, mark: Any) -> Place:
        return Place(self.file, mark.line + 1, mark.column + 1) if mark else Place(self.file)

    def _place(self, node: Any) -> Place:
        return self._mark(node.start_mark)

    def _node(self, node: yaml.Node, depth: int) -> Node:
        self.count += 1
        place = self._place(node)
        if depth > DEEPEST or self.count > MOST:
            raise _Stop(Finding(place, "the file is nested too deep, or too large with its aliases"))
        if not PLAIN.fullmatch(node.tag):
            raise _Stop(Finding(place, f"the tag `{node.tag}` is not read", "write the value itself"))
        if isinstance(node, yaml.MappingNode):
            return Node(place, self._mapping(node, depth))
        if isinstance(node, yaml.SequenceNode):
            return Node(place, [self._node(item, depth + 1) for item in node.value])
        return Node(place, self._scalar(node), str(node.value))

    def _scalar(self, node: yaml.Node) -> Any:
        try:
            return self.constructor.construct_object(node)
        except (ValueError, yaml.YAMLError):
            raise _Stop(Finding(self._place(node), f"`{node.value}` cannot be read", "put it in quotes")) from None

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Entry]:
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key, value in node.value:
            if key.tag == MERGE:
                for name, entry in self._merged(value, depth):
                    merged.setdefault(name, entry)
                continue
            name = str(self._scalar(key)) if isinstance(key, yaml.ScalarNode) else ""
            if isinstance(key, yaml.ScalarNode) and isinstance(self._scalar(key), bool):
                name = key.value  # `on:` and `yes:` are names to people
            if not isinstance(key, yaml.ScalarNode):
                raise _Stop(Finding(self._place(key), "a key is a plain text"))
            if name in own:
                first = own[name].key.line
                hint = f"the first is in line {first}; the later one would win, and nobody would know"
                self.findings.append(Finding(self._place(key), f"`{name}` stands here twice", hint))
            own[name] = Entry(self._place(key), self._node(value, depth + 1))
        return {**merged, **own}

    def _merged(self, value: yaml.Node, depth: int) -> Iterator[tuple[str, Entry]]:
        for node in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            if not isinstance(node, yaml.MappingNode):
                raise _Stop(Finding(self._place(node), "`<<` merges a mapping, or a list of them"))
            yield from self._node(node, depth + 1).entries.items()


def _said(error: yaml.MarkedYAMLError) -> str:
    parts = [error.context, error.problem]
    return "invalid YAML: " + ", ".join(" ".join(part.split()) for part in parts if part)

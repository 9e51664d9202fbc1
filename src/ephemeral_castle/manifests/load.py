"""Manifests as people write them: a file of many documents, read as the API server's own tools read it. Pure.

Those tools speak YAML 1.1 by Go's rules (`scalars`) and take the last of two keys of one name. Here a second key is a
fault: what it hides is nearly always a mistake. Every value keeps the place where it was written (`tree`). An anchor
may be used a second time, as YAML allows; PyYAML's composer refuses that, so values are made from the parser's events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from ephemeral_castle.manifests.scalars import NoNumber, meaning
from ephemeral_castle.manifests.tree import Map, Seq
from ephemeral_castle.model.finding import Mark

DEEPEST = 100
MOST = 500_000  # nodes after aliases: the largest bundle of CRDs has 200,000
STANDARD = "tag:yaml.org,2002:"
TEXT = f"{STANDARD}str"
KNOWN = ("str", "int", "float", "bool", "null", "seq", "map", "timestamp", "merge", "value")
READ = frozenset([None, "!", *(STANDARD + each for each in KNOWN)])


@dataclass(frozen=True)
class Document:
    """One object of a file. `line`: where it begins, from 1."""

    manifest: Map
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


def roots(text: str, file: str = "", *, words: bool = True) -> tuple[list[tuple[Any, Mark]], list[Fault]]:
    """The value of every document of a file with its place, and what is wrong with it; empty ones are left out.

    Args:
        text: of the file.
        file: its path, for the places.
        words: whether `yes` and `off` are booleans: to kubectl they are, to kustomize they are texts.
    """
    composer = _Composer(file, words=words)
    found: list[tuple[Any, Mark]] = []
    try:
        found.extend(each for each in composer.documents(text) if each[0] is not None)
    except _Stop as stop:
        return found, [*composer.faults, stop.fault]
    return found, composer.faults


def read(text: str, file: str = "") -> tuple[list[Document], list[Fault]]:
    """Every object of a file, those inside a `List` included, and what is wrong with it. Empty documents are left out.

    Each object has `apiVersion`, `kind` and `metadata.name`.
    """
    found, faults = roots(text, file)
    documents: list[Document] = []
    broken: list[Fault] = []
    for value, mark in found:
        for item, where in _items(value, mark):
            missing = _missing(item)
            if missing:
                broken.append(Fault(where.line, where.column, *missing))
            else:
                documents.append(Document(item, where.line))
    return documents, sorted([*broken, *faults])


def plain(text: str, file: str = "") -> tuple[Any, list[Fault]]:
    """The value of a file of one document that need not be an object of the API; None for an empty file."""
    composer = _Composer(file)
    try:
        found = list(composer.documents(text))
        if len(found) > 1:
            mark = found[1][1]
            return None, [Fault(mark.line, mark.column, "a second document begins here", "this file is one document")]
    except _Stop as stop:
        return None, [*composer.faults, stop.fault]
    return (found[0][0] if found else None), composer.faults


def _items(value: Any, mark: Mark) -> Iterator[tuple[Any, Mark]]:
    items = value.get("items") if isinstance(value, Map) and value.get("kind") == "List" else None
    if isinstance(items, Seq):
        yield from zip(items, items.at, strict=True)
    else:
        yield value, mark


def _missing(value: Any) -> tuple[str, ...]:
    """What a document lacks to be an object: message and, where there is one, hint; empty when it is one."""
    if not isinstance(value, Map):
        return "a document is a mapping", "it begins with `apiVersion:` and `kind:`"
    meta = value.get("metadata")
    named = {"apiVersion": value.get("apiVersion"), "kind": value.get("kind")}
    named["metadata.name"] = meta.get("name") if isinstance(meta, Map) else None
    missing = [f"`{key}`" for key, each in named.items() if not isinstance(each, str) or not each]
    return (f"{' and '.join(missing)} of this object must be a text",) if missing else ()


class _Composer:
    """Makes values of the parser's events."""

    def __init__(self, file: str, *, words: bool = True) -> None:
        self.file, self.words = file, words
        self.faults: list[Fault] = []
        self.count = 0
        self.anchors: dict[str, tuple[Any, Mark]] = {}

    def documents(self, text: str) -> Iterator[tuple[Any, Mark]]:
        """The roots of all documents."""
        kind = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML was built with it
        try:
            loader = kind(text)
        except (yaml.YAMLError, UnicodeError) as error:  # a character that no YAML may hold
            raise _Stop(Fault(0, 0, " ".join(str(error).split()))) from None
        self.next = loader.get_event
        try:
            while (event := self.next()) is not None:
                if type(event) is yaml.DocumentStartEvent:
                    self.anchors = {}
                    yield self.value(self.next(), 0)
        except yaml.MarkedYAMLError as error:
            raise _Stop(_broken(error)) from None
        except yaml.YAMLError as error:
            raise _Stop(Fault(0, 0, " ".join(str(error).split()))) from None
        finally:
            loader.dispose()

    def value(self, event: Any, depth: int) -> tuple[Any, Mark]:
        """What the node that begins with this event means, and where it stands."""
        self._count(event, depth)
        mark = self._mark(event)
        kind, anchor = type(event), event.anchor
        if kind is yaml.AliasEvent:
            return self._alias(event, mark, depth)
        if event.tag not in READ:
            raise _Stop(Fault(mark.line, mark.column, f"the tag `{event.tag}` is not read", "write the value itself"))
        value: Any
        if kind is yaml.ScalarEvent:
            value = self._scalar(event, mark)
        elif kind is yaml.MappingStartEvent:
            value = self._mapping(mark, depth)
        else:
            value = Seq(mark)
            while type(event := self.next()) is not yaml.SequenceEndEvent:
                value.add(*self.value(event, depth + 1))
        if anchor:
            self.anchors[anchor] = (value, mark)
        return value, mark

    def _mapping(self, mark: Mark, depth: int) -> Map:
        own, merged = Map(mark), Map(mark)
        while type(event := self.next()) is not yaml.MappingEndEvent:
            if type(event) is yaml.ScalarEvent and event.value == "<<" and not event.style and event.tag is None:
                self._merge(merged, *self.value(self.next(), depth + 1))
                continue
            name, named = self._key(event, depth)
            if name in own:
                hint = f"the first is in line {own.named[name].line}; the later one would win, and nobody would know"
                self.faults.append(Fault(named.line, named.column, f"`{name}` stands here twice", hint))
            value, at = self.value(self.next(), depth + 1)
            own.put(name, value, named, at)
        for name in merged:
            if name not in own:
                own.put(name, merged[name], merged.named[name], merged.at[name])
        return own

    def _merge(self, merged: Map, value: Any, mark: Mark) -> None:
        for each in value if isinstance(value, Seq) else [value]:
            if not isinstance(each, Map):
                raise _Stop(Fault(mark.line, mark.column, "`<<` merges a mapping, or a list of them"))
            for name in each:
                if name not in merged:
                    merged.put(name, each[name], each.named[name], each.at[name])

    def _key(self, event: Any, depth: int) -> tuple[str, Mark]:
        """A key is a text: a number or a boolean is taken as one; kustomize leaves it as it is written."""
        if not self.words and type(event) is yaml.ScalarEvent:
            self._count(event, depth)
            return event.value, self._mark(event)
        value, mark = self.value(event, depth + 1)
        if isinstance(value, bool):
            return ("true" if value else "false"), mark
        if isinstance(value, float):
            return f"{value:.8g}", mark  # as Go writes one of 32 bits
        if isinstance(value, str | int):
            return str(value), mark
        raise _Stop(Fault(mark.line, mark.column, "a key is a plain text"))

    def _scalar(self, event: Any, mark: Mark) -> Any:
        if event.style or (event.tag is not None and event.tag in (TEXT, "!")):
            return event.value  # quoted, a block, or said to be one
        try:
            return meaning(event.value, words=self.words)
        except NoNumber as error:
            raise _Stop(Fault(mark.line, mark.column, f"`{error}` is no number of JSON", "put it in quotes")) from None

    def _alias(self, event: Any, mark: Mark, depth: int) -> tuple[Any, Mark]:
        if event.anchor not in self.anchors:
            raise _Stop(Fault(mark.line, mark.column, f"invalid YAML: found undefined alias '{event.anchor}'"))
        value, source = self.anchors[event.anchor]
        return self._copy(value, event, depth), mark._replace(via=source)

    def _copy(self, value: Any, event: Any, depth: int) -> Any:
        """What stands at an anchor, for its own place: a later change of one shall not change the other."""
        if isinstance(value, Map):
            made = Map(value.begin)
            for key, each in value.items():
                self._count(event, depth)
                made.put(key, self._copy(each, event, depth + 1), value.named[key], value.at[key])
            return made
        if isinstance(value, Seq):
            items = Seq(value.begin)
            for each, at in zip(value, value.at, strict=True):
                self._count(event, depth)
                items.add(self._copy(each, event, depth + 1), at)
            return items
        return value

    def _count(self, event: Any, depth: int) -> None:
        self.count += 1
        if depth > DEEPEST or self.count > MOST:
            mark = event.start_mark
            message = "the file is nested too deep, or too large with its aliases"
            raise _Stop(Fault(mark.line + 1, mark.column + 1, message))

    def _mark(self, event: Any) -> Mark:
        start, end = event.start_mark, event.end_mark
        one_line = end.line == start.line and type(event) in (yaml.ScalarEvent, yaml.AliasEvent)
        width = end.column - start.column if one_line else 1
        return Mark(self.file, start.line + 1, start.column + 1, width if width > 0 else 1)


def _broken(error: yaml.MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    said = ", ".join(" ".join(part.split()) for part in (error.context, error.problem) if part)
    return Fault(mark.line + 1 if mark else 0, mark.column + 1 if mark else 0, f"invalid YAML: {said}")

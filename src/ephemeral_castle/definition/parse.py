"""YAML to a tree with places, from the parser's events.

The tree is built from events and not by `yaml.compose`: nothing recurses, so that deep nesting cannot exhaust the
stack, and nothing is expanded, so that an anchor bomb stays as small as it is in the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from ephemeral_castle.definition.diagnostic import Diagnostic, Span
from ephemeral_castle.definition.nodes import Entry, Mapping, Node, Scalar, Sequence, resolve
from ephemeral_castle.model.excerpt import shown

if TYPE_CHECKING:
    from ephemeral_castle.definition.source import Source

DEEPEST = 32  # levels; the format itself needs seven
MOST_NODES = 100_000
MOST_FINDINGS = 100

_UNUSABLE = re.compile("[\0\ud800-\udfff]")  # by escapes: no program takes them as an argument

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's parser is eight times as fast


class _Stop(Exception):
    """The rest of the file is not read."""


@dataclass
class _Open:
    """A collection that is not closed yet. `path`: keys on the way to it, for messages."""

    node: Mapping | Sequence
    path: tuple[str, ...]
    key: tuple[str, Span] | None = None


@dataclass
class Tree:
    """What came out. `usable`: whether `root` may be judged further (it may be, with duplicate keys)."""

    root: Node | None = None
    findings: list[Diagnostic] = field(default_factory=list)
    usable: bool = True


def parse(source: Source) -> Tree:
    """Reads a whole file and collects every fault of its form."""
    builder = _Builder(source)
    tree = builder.tree
    try:
        for event in yaml.parse(source.text, Loader=_Loader):
            builder.take(event)
    except _Stop:
        tree.usable = False
    except yaml.MarkedYAMLError as error:
        tree.usable = False
        tree.findings.append(_syntax(source, error))
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # PyYAML's own parser lets chr() fail
        tree.usable = False
        tree.findings.append(source.error(Span(1, 1), f"the file cannot be read as YAML: {shown(error, 100)}"))
    if tree.usable:
        _check_root(source, tree)
    if tree.usable and tree.root is not None:
        source.know(tree.root)
    return tree


class _Builder:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.tree = Tree()
        self.open: list[_Open] = []
        self.documents = 0
        self.nodes = 0

    def take(self, event: Any) -> None:
        """One event of the parser."""
        kind = type(event)
        if kind is yaml.DocumentStartEvent:
            self.documents += 1
            if self.documents > 1:
                self._stop(_span(event, self.source), "a second document begins here", "a file holds one castle")
        elif kind is yaml.AliasEvent:
            self._refuse(event, f"aliases are not allowed: `*{shown(event.anchor)}`", "write the value out here")
            self._place(Scalar(_span(event, self.source), None, "", event.end_mark.line + 1))
        elif kind is yaml.ScalarEvent:
            self._check(event)
            value = resolve(event.value) if event.implicit[0] else event.value
            last = event.end_mark.line + (0 if event.end_mark.column == 0 else 1)
            self._place(Scalar(_span(event, self.source), value, event.value, last))
        elif kind in {yaml.MappingStartEvent, yaml.SequenceStartEvent}:
            self._check(event)
            made = Mapping if kind is yaml.MappingStartEvent else Sequence
            self._enter(made(Span(event.start_mark.line + 1, event.start_mark.column + 1)))
        elif kind in {yaml.MappingEndEvent, yaml.SequenceEndEvent}:
            self.open.pop()

    def _enter(self, node: Mapping | Sequence) -> None:
        if len(self.open) >= DEEPEST:
            self._stop(node.span, f"nested deeper than {DEEPEST} levels", "no key of a definition lies that deep")
        above = self.open[-1] if self.open else None
        path = () if above is None else (*above.path, above.key[0] if above.key else "")
        self._place(node)
        self.open.append(_Open(node, path))

    def _place(self, node: Node) -> None:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            self._stop(node.span, f"more than {MOST_NODES} values", "is this a definition?")
        if not self.open:
            self.tree.root = node
            return
        top = self.open[-1]
        if isinstance(top.node, Sequence):
            top.node.items.append(node)
        elif top.key is None:
            top.key = self._key(node)
        else:
            name, span = top.key
            top.key = None
            self._add(top, name, Entry(span, node))

    def _key(self, node: Node) -> tuple[str, Span]:
        if isinstance(node, Scalar):
            return node.text, node.span
        return self._stop(
            node.span, "a key must be a text, not a list or mapping", "a text that begins with `{` needs quotes"
        )

    def _add(self, top: _Open, name: str, entry: Entry) -> None:
        entries = top.node.entries  # type: ignore[union-attr]
        if name not in entries:
            entries[name] = entry
            return
        where = f"the first is on line {entries[name].key.line}"
        if top.path[-1:] == ("layers",):
            self._say(entry.key, f"two layers with one id: `{shown(name)}`", f"{where}; give this one another id")
        else:
            self._say(entry.key, f"duplicate key `{shown(name)}`", f"{where}; keep one of them")

    def _check(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent) and _UNUSABLE.search(event.value):
            self._refuse(event, "the text holds a NUL or half a character", "remove the escape from it")
        if event.anchor:
            self._refuse(event, f"anchors are not allowed: `&{shown(event.anchor)}`", "write the value out where used")
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._refuse(event, f"tags are not allowed: `{shown(tag)}`", "write texts in quotes, numbers without")

    def _refuse(self, event: Any, message: str, hint: str) -> None:
        self.tree.usable = False
        width = len(event.anchor) + 1 if event.anchor else 1
        self._say(Span(event.start_mark.line + 1, event.start_mark.column + 1, width), message, hint)

    def _say(self, span: Span, message: str, hint: str) -> None:
        self.tree.findings.append(self.source.error(span, message, (hint,)))
        if len(self.tree.findings) >= MOST_FINDINGS:
            raise _Stop

    def _stop(self, span: Span, message: str, hint: str) -> NoReturn:
        self._say(span, message, hint)
        raise _Stop


def _span(event: Any, source: Source) -> Span:
    start, end = event.start_mark, event.end_mark
    line = source.lines[start.line] if start.line < len(source.lines) else ""
    stop = end.column if end.line == start.line else len(line)
    return Span(start.line + 1, start.column + 1, max(1, stop - start.column))


def _check_root(source: Source, tree: Tree) -> None:
    root = tree.root
    if isinstance(root, Mapping) and root.entries:
        return
    tree.usable = False
    if root is None or (isinstance(root, Scalar) and root.value is None) or isinstance(root, Mapping):
        hint = "`castle init` writes a definition that works"
        tree.findings.append(source.error(Span(1, 1), "the file defines nothing", (hint,)))
    else:
        kind = "list" if isinstance(root, Sequence) else "single value"
        hint = "it begins with `castle: NAME`"
        tree.findings.append(source.error(root.span, f"a definition is a mapping of keys, not a {kind}", (hint,)))


def _syntax(source: Source, error: yaml.MarkedYAMLError) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    if "unexpected end of stream" in (error.problem or ""):
        mark = error.context_mark or mark  # what was opened and never closed
    if mark is None:
        return source.error(Span(1, 1), f"not valid YAML: {shown(error.problem or error, 100)}")
    line = source.lines[mark.line] if mark.line < len(source.lines) else ""
    indent = line[: len(line) - len(line.lstrip())]
    if "\t" in indent or line[mark.column : mark.column + 1] == "\t":
        at = indent.index("\t") if "\t" in indent else mark.column
        hint = "YAML indents with spaces only: replace the tab by two spaces"
        return source.error(Span(mark.line + 1, at + 1), "a tab is used for indentation", (hint,))
    problem = shown(error.problem or "syntax error", 100)
    hints = [hint for words, hint in _SYNTAX_HINTS.items() if words in problem]
    if error.context and error.context_mark is not None:
        place = f"line {error.context_mark.line + 1}, column {error.context_mark.column + 1}"
        hints.append(f"{shown(error.context, 100)} that begins at {place}")
    return source.error(Span(mark.line + 1, mark.column + 1), f"not valid YAML: {problem}", hints)


_SYNTAX_HINTS = {
    "mapping values are not allowed": "put the text in quotes when it has a colon; check the indentation",
    "could not find expected ':'": "a key needs `: ` after it",
    "expected <block end>": "check the indentation: keys of one mapping stand in one column",
    "expected ',' or ": "a comma or a closing bracket is missing",
    "cannot start any token": "put the text in quotes",
}

"""A definition file as bytes, lines and diagnostics: decoding, positions, and secrets kept out of excerpts."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

from ephemeral_castle.definition.diagnostic import Diagnostic, Severity, Span
from ephemeral_castle.definition.plain_secrets import plain_secrets
from ephemeral_castle.model.masking import mask_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ephemeral_castle.definition.nodes import Node

LARGEST = 1024 * 1024  # bytes; a definition of 200 layers has 40 KiB
_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_NOT_PRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"  # YAML 1.2.2 section 5.1
)
_SHORTEST_SECRET = 4  # shorter values would blot out ordinary words


class Source:
    """The text of one definition, and the maker of its diagnostics."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.lines = _BREAK.split(text)
        self._tree: Node | None = None
        self._secrets: tuple[str, ...] = ()
        self._masked: dict[int, list[tuple[int, int]]] = {}

    def know(self, tree: Node) -> None:
        """Learns the tree, and by it exactly which places must not be shown."""
        self._tree = tree
        found = plain_secrets(tree)
        self._secrets = tuple(leaf.text for _, leaf in found if len(leaf.text) >= _SHORTEST_SECRET)
        for _, leaf in found:
            first = leaf.span
            several = leaf.last_line > first.line
            end = len(self._raw(first.line)) if several else first.column - 1 + first.width
            self._masked.setdefault(first.line, []).append((first.column - 1, end))
            for line in range(first.line + 1, leaf.last_line + 1):
                self._masked.setdefault(line, []).append((0, len(self._raw(line))))

    def error(self, span: Span, message: str, hints: Sequence[str] = ()) -> Diagnostic:
        """An error at that place."""
        return self._diagnostic(Severity.ERROR, span, message, hints)

    def warning(self, span: Span, message: str, hints: Sequence[str] = ()) -> Diagnostic:
        """A warning at that place."""
        return self._diagnostic(Severity.WARNING, span, message, hints)

    def line(self, number: int) -> str:
        """Line `number` (from 1) with secrets masked by as many stars."""
        text = self._raw(number)
        if self._tree is None:  # not parsed (yet): judge by the look of the line
            return mask_line(text)
        for start, end in self._masked.get(number, ()):
            text = text[:start] + "*" * (min(end, len(text)) - start) + text[end:]
        return text

    def span_at(self, index: int) -> Span:
        """The place of the character with that index in the text."""
        starts = [0, *(match.end() for match in _BREAK.finditer(self.text))]
        line = bisect_right(starts, index)
        return Span(line, index - starts[line - 1] + 1)

    def unprintable(self) -> Diagnostic | None:
        """The first character that YAML does not allow, as an error."""
        match = _NOT_PRINTABLE.search(self.text)
        if match is None:
            return None
        code = ord(match.group())
        return self.error(
            self.span_at(match.start()),
            f"character U+{code:04X} is not allowed in YAML",
            ("save the file as plain UTF-8 text",),
        )

    def _raw(self, number: int) -> str:
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def _diagnostic(self, severity: Severity, span: Span, message: str, hints: Sequence[str]) -> Diagnostic:
        said = [message, *hints]
        for secret in self._secrets:
            said = [text.replace(secret, "[redacted]") for text in said]
        return Diagnostic(
            file=self.file,
            line=span.line,
            col=span.column,
            severity=severity,
            message=said[0],
            hints=tuple(said[1:]),
            source=self.line(span.line),
            width=span.width,
        )


def decode(raw: bytes, file: str) -> Source | Diagnostic:
    """The text of a file, or why it cannot be one: too large, not UTF-8, a forbidden character."""
    nowhere = Source(file, "")
    if len(raw) > LARGEST:
        return nowhere.error(Span(1, 1), f"the file is larger than {LARGEST // 1024} KiB", ("is this a definition?",))
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return nowhere.error(Span(1, 1), "the file is UTF-16", ("save it as UTF-8",))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        good = Source(file, raw[: error.start].decode("utf-8-sig", errors="replace"))
        return good.error(
            good.span_at(len(good.text)),
            f"byte 0x{raw[error.start]:02x} is not UTF-8",
            ("save the file as UTF-8",),
        )
    source = Source(file, text)
    return source.unprintable() or source

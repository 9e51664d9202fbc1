"""The texts of a repository, each read and parsed once. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from ephemeral_castle.manifests.files import Files, Unreadable
from ephemeral_castle.manifests.load import Fault, roots
from ephemeral_castle.manifests.sops import opened
from ephemeral_castle.model.finding import Mark


class NotText(Unreadable):
    """A file is not UTF-8. `line` and `column`: of the first byte that is none."""

    def __init__(self, raw: bytes, at: int) -> None:
        good = raw[:at].decode("utf-8-sig", errors="replace")
        self.line, self.column = good.count("\n") + 1, len(good) - (good.rfind("\n") + 1) + 1
        wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
        super().__init__("this file is UTF-16" if wide else f"byte 0x{raw[at]:02x} is not UTF-8")


class Parsed(NamedTuple):
    """A file of documents. `stopped`: the rest of it could not be read."""

    roots: list[tuple[Any, Mark]]
    faults: list[Fault]


class Sources:
    """Reads through `files` and keeps what it read.

    Attributes:
        texts: what was read as text, by path.
        parsed: what was parsed, by path, and by whether `yes` and `off` were taken for booleans.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self.texts: dict[str, str] = {}
        self.parsed: dict[tuple[str, bool], Parsed] = {}

    def text(self, path: str) -> str:
        """The text of a file.

        Raises:
            FileNotFoundError: no such file.
            Unreadable: it is no text, or cannot be read.
        """
        if path not in self.texts:
            raw = self.files.read(path)
            try:
                self.texts[path] = raw.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                raise NotText(raw, error.start) from None
        return self.texts[path]

    def documents(self, path: str, *, words: bool = False) -> Parsed:
        """The documents of a file. `words`: whether `yes` and `off` are booleans; kustomize takes them for texts.

        Raises:
            FileNotFoundError, Unreadable: as `text` does.
        """
        key = (path, words)
        if key not in self.parsed:
            found, faults = roots(self.text(path), path, words=words)
            self.parsed[key] = Parsed([(opened(value), mark) for value, mark in found], faults)
        return self.parsed[key]

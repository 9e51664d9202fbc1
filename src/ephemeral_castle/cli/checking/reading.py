"""What is read: trees of manifests, single files, standard input. Each becomes one repository with its texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ephemeral_castle.cli.checking.disk import Disk, content
from ephemeral_castle.manifests import load
from ephemeral_castle.manifests.files import Files, Memory, Unreadable
from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.model.finding import Finding, Mark, Severity

INPUT = "<stdin>"
SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Seen:
    """A repository that was read.

    Attributes:
        repository: what is in it.
        prefix: directory before each of its paths, as the person named it; "" for none.
        whole: whether what an object refers to must be found in it; single files refer to others that nobody named.
    """

    repository: Repository
    prefix: str = ""
    whole: bool = True


def tree(path: str) -> Seen:
    """Everything below a directory."""
    disk = Disk(path)
    return Seen(_repository(_contents(disk, _walk(disk, ""))), "" if path == "." else path)


def committed(files: Mapping[str, bytes], name: str) -> Seen:
    """The files of a revision. `name`: stands before every path."""
    memory = Memory(files)
    return Seen(_repository(_contents(memory, _walk(memory, ""))), name)


def single(paths: Iterable[str], stdin: bytes | None) -> Seen:
    """Single files, and standard input where it was read, judged together."""
    contents: dict[str, bytes | Unreadable] = {path: _content(path) for path in paths}
    if stdin is not None:
        contents[INPUT] = stdin
    return Seen(_repository(contents), whole=False)


def _content(path: str) -> bytes | Unreadable:
    try:
        return content(Path(path))
    except Unreadable as error:
        return error


def _contents(files: Files, paths: Iterable[str]) -> dict[str, bytes | Unreadable]:
    found: dict[str, bytes | Unreadable] = {}
    for path in paths:
        try:
            found[path] = files.read(path)
        except Unreadable as error:
            found[path] = error
    return found


def _walk(files: Files, directory: str) -> Iterator[str]:
    for name in files.list(directory):
        path = f"{directory}/{name}" if directory else name
        if name.endswith("/"):
            yield from _walk(files, path.rstrip("/"))
        elif name.endswith(SUFFIXES):
            yield path


def _repository(contents: Mapping[str, bytes | Unreadable]) -> Repository:
    objects: list[Object] = []
    faults: list[Finding] = []
    texts: dict[str, str] = {}
    for path, raw in contents.items():
        if isinstance(raw, Unreadable):
            faults.append(Finding("file-unreadable", Severity.ERROR, str(raw), Mark(path), (f"ls -l {path}",)))
            continue
        text = _text(path, raw)
        if isinstance(text, Finding):
            faults.append(text)
            continue
        texts[path] = text
        documents, wrong = load.read(text, path)
        objects += [Object(each.manifest) for each in documents]
        faults += [
            Finding("yaml", Severity.ERROR, each.message, Mark(path, each.line, each.column), (each.hint,))
            for each in wrong
        ]
    return Repository(tuple(objects), faults=tuple(faults), texts=texts)


def _text(path: str, raw: bytes) -> str | Finding:
    """The text of a file, or why it is none."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        good = raw[: error.start].decode("utf-8-sig", errors="replace")
        line, column = good.count("\n") + 1, len(good) - (good.rfind("\n") + 1) + 1
        utf16 = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
        said = "this file is UTF-16" if utf16 else f"byte 0x{raw[error.start]:02x} is not UTF-8"
        return Finding("file-not-utf8", Severity.ERROR, said, Mark(path, line, column), ("save it as UTF-8",))

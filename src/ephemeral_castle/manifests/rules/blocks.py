"""Mends of whole lines: a block of YAML that goes, or lines that come before another one. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules.fields import Path
from ephemeral_castle.manifests.tree import place
from ephemeral_castle.model.finding import Edit, Mark


def removed(repository: Repository, thing: Object, path: Path) -> Iterator[Edit]:
    """Takes the lines of a field away. Nothing where it does not stand alone on lines of its own."""
    mark = place(thing.manifest, path, key=True)
    lines = repository.texts.get(mark.file, "").splitlines(keepends=True)
    if mark.via or not 0 < mark.line <= len(lines) or not _alone(lines[mark.line - 1], mark):
        return
    last = mark.line
    while last < len(lines) and _below(lines[last], mark.column - 1):
        last += 1
    while last > mark.line and not lines[last - 1].strip():
        last -= 1
    whole = "".join(lines[mark.line - 1 : last])
    yield Edit(Mark(mark.file, mark.line, 1, len(whole)), "")


def inserted(repository: Repository, thing: Object, path: Path, new: Sequence[str]) -> Iterator[Edit]:
    """Writes lines before a field, as far in as it. Nothing where it does not begin its line."""
    mark = place(thing.manifest, path, key=True)
    lines = repository.texts.get(mark.file, "").splitlines()
    if mark.via or not 0 < mark.line <= len(lines) or not _alone(lines[mark.line - 1], mark):
        return
    inset = " " * (mark.column - 1)
    yield Edit(Mark(mark.file, mark.line, 1, 0), "".join(f"{inset}{line}\n" for line in new))


def _alone(line: str, mark: Mark) -> bool:
    """Whether a line begins with the field itself: not inside of braces, not behind the dash of an item."""
    return not line[: mark.column - 1].strip()


def _below(line: str, inset: int) -> bool:
    """Whether a line belongs to a field of that inset: deeper, an item of its list, a comment deeper in, or empty."""
    stripped = line.lstrip(" ")
    depth = len(line) - len(stripped)
    return not stripped.strip() or depth > inset or (depth == inset and stripped.startswith("- "))

"""Mends: which characters of which file stand for a value. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.model.finding import Edit, Mark


def rewritten(repository: Repository, mark: Mark, old: str, new: str) -> Iterator[Edit]:
    """Writes `new` for a plain or quoted value `old` at a place.

    Nothing where the file is not known or says it in another way (an alias, a variable, a block): no guess is written.
    """
    lines = repository.texts.get(mark.file, "").splitlines()
    if mark.via or not 0 < mark.line <= len(lines):
        return
    line, column = lines[mark.line - 1], mark.column - 1
    if line[column : column + 1] in ("'", '"'):
        column += 1
    end = column + len(old)
    if (
        column >= 0
        and line[column:end] == old
        and line[end : end + 1] in ("", " ", ",", "}", "]", "'", '"', "\t", "\r")
    ):
        yield Edit(Mark(mark.file, mark.line, column + 1, len(old)), new)

"""Writes the edits of findings into texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ephemeral_castle.model.finding import Edit, Finding


def mended(files: Mapping[str, str], findings: Iterable[Finding]) -> dict[str, str]:
    """The texts after all edits, the last of each file first; one that several findings share is done once."""
    edits = {
        (edit.mark.file, _offset(files, edit), edit.mark.width, edit.text) for each in findings for edit in each.edits
    }
    done = dict(files)
    for file, start, width, text in sorted(edits, reverse=True):
        done[file] = done[file][:start] + text + done[file][start + width :]
    return done


def _offset(files: Mapping[str, str], edit: Edit) -> int:
    lines = files[edit.mark.file].splitlines(keepends=True)
    return sum(len(line) for line in lines[: edit.mark.line - 1]) + edit.mark.column - 1

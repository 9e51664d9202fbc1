"""`--fix`: the edits of findings as a diff, and written."""

from __future__ import annotations

import difflib
import os
import tempfile
from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping
from pathlib import Path

from ephemeral_castle.errors import Conflict
from ephemeral_castle.model.finding import Edit, Finding


def mended(findings: Iterable[Finding], texts: Mapping[str, str]) -> dict[str, str]:
    """The new text of each file that an edit changes; of edits that overlap the first is made, and the rest wait."""
    by_file: dict[str, set[Edit]] = {}
    for finding in findings:
        for edit in finding.edits:
            if edit.mark.file in texts and edit.mark.line and edit.mark.column:
                by_file.setdefault(edit.mark.file, set()).add(edit)
    changed = {file: _edited(texts[file], edits) for file, edits in sorted(by_file.items())}
    return {file: text for file, text in changed.items() if text != texts[file]}


def _edited(text: str, edits: Iterable[Edit]) -> str:
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    places = sorted(
        (starts[edit.mark.line - 1] + edit.mark.column - 1, edit.mark.width, edit.text)
        for edit in edits
        if edit.mark.line <= len(starts)
    )
    parts, done = [], 0
    for begin, width, new in places:
        if begin >= done:
            parts += [text[done:begin], new]
            done = begin + width
    return "".join([*parts, text[done:]])


def diff(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """A unified diff that `git apply` and `patch -p1` take; "" where nothing changes."""
    parts: list[str] = []
    for file, text in after.items():
        lines = difflib.unified_diff(
            before[file].splitlines(keepends=True), text.splitlines(keepends=True), f"a/{file}", f"b/{file}"
        )
        parts += (line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    return "".join(parts)


def write(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Writes files that changed, each at once or not at all; gives their names.

    Raises:
        Conflict: a file is not what it was when it was read. None is written then.
    """
    for file in after:
        if not Path(file).is_file() or Path(file).read_bytes().removeprefix(BOM_UTF8) != before[file].encode():
            raise Conflict(
                f"`{file}` changed while it was looked at", state="no file was written", hints=["castle check --fix"]
            )
    for file, text in after.items():
        _replace(Path(file).resolve(), text)
    return list(after)


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    made = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write((BOM_UTF8 if path.read_bytes().startswith(BOM_UTF8) else b"") + text.encode())
            os.fchmod(stream.fileno(), path.stat().st_mode & 0o7777)
            os.fsync(stream.fileno())
        made.replace(path)
    except BaseException:
        made.unlink()
        raise

"""An answer whose files are told from the root of their Git working tree, as code hosts want them."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path

from ephemeral_castle.model.checked import Checked
from ephemeral_castle.model.finding import Finding, Mark


def from_root(checked: Checked) -> Checked:
    """The answer for a code host. Files outside of a working tree, and what is no file here, keep their names."""
    found = tuple(_finding(each) for each in checked.findings)
    return replace(checked, findings=found, undecided=tuple(_finding(each) for each in checked.undecided))


def _finding(finding: Finding) -> Finding:
    chain = tuple(_mark(each) for each in finding.chain)
    return replace(finding, mark=_mark(finding.mark), chain=chain)


def _mark(mark: Mark) -> Mark:
    return mark._replace(file=_name(mark.file), via=_mark(mark.via) if mark.via else None)


def _name(file: str) -> str:
    if not file or not Path(file).exists():
        return file
    full = Path(os.path.abspath(file))  # noqa: PTH100 - a link keeps its own name, as it has in Git
    root = _root(full.parent)
    return full.relative_to(root).as_posix() if root else file


@cache
def _root(directory: Path) -> Path | None:
    return next((each for each in (directory, *directory.parents) if (each / ".git").exists()), None)

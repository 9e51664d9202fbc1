"""Runs the whole of `castle check` over a directory, in this process."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ephemeral_castle.cli.checking.asked import Asked
from ephemeral_castle.cli.checking.check import check
from ephemeral_castle.model.finding import Finding

CRDS = Path(__file__).parents[3] / "shared" / "crds"


class Looked(NamedTuple):
    """What was found, and what nobody could look into; files are told from the directory that was looked at."""

    findings: tuple[Finding, ...]
    undecided: tuple[Finding, ...]


def looked(tree: Path, *, crds: bool = False) -> Looked:
    """What `castle check --offline TREE` finds."""
    told = check(Asked(paths=(str(tree),), offline=True)).checked
    sure, open_ = ((_here(each, tree) for each in found) for found in (told.findings, told.undecided))
    return Looked(tuple(sure), tuple(open_))


def _here(found: Finding, tree: Path) -> Finding:
    if not found.mark.file:
        return found
    return replace(found, mark=found.mark._replace(file=os.path.relpath(found.mark.file, tree)))

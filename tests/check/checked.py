"""Runs the whole of `castle check` over a directory, in this process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ephemeral_castle.cli import pulling
from ephemeral_castle.cli.checking.asked import Asked
from ephemeral_castle.cli.checking.check import check
from ephemeral_castle.model.finding import Finding

CRDS = Path(__file__).parents[3] / "shared" / "crds"
OPERATORS = ("cert-manager", "external-secrets", "flux", "longhorn", "metallb", "postgres-operator", "traefik")


class Looked(NamedTuple):
    """What was found, and what nobody could look into; files are told from the directory that was looked at."""

    findings: tuple[Finding, ...]
    undecided: tuple[Finding, ...]


def looked(tree: Path) -> Looked:
    """What `castle check --offline TREE` finds."""
    told = check(Asked(paths=(str(tree),), offline=True)).checked
    sure, open_ = ((_here(each, tree) for each in found) for found in (told.findings, told.undecided))
    return Looked(tuple(sure), tuple(open_))


def pull(tree: Path, sources: Sequence[Path]) -> None:
    """`castle schemas pull` of directories and files, pinned in a tree."""
    asyncio.run(pulling.pull(pulling.Wanted(tuple(map(str, sources)), directory=str(tree))))


def kubernetes() -> Path | None:
    """The OpenAPI of the built-in kinds, where Kubernetes was built here from its Go module; None: it was not."""
    modules = Path(os.environ.get("GOMODCACHE") or Path.home() / "go" / "pkg" / "mod")
    found = sorted(modules.glob("k8s.io/kubernetes@v1.36.*/api/openapi-spec/swagger.json"))
    return found[-1] if found else None


def _here(found: Finding, tree: Path) -> Finding:
    if not found.mark.file:
        return found
    return replace(found, mark=found.mark._replace(file=os.path.relpath(found.mark.file, tree)))

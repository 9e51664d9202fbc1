"""Reads a tree of fixtures as a repository."""

from __future__ import annotations

import json
from pathlib import Path

from ephemeral_castle.manifests import reading
from ephemeral_castle.manifests.files import Memory
from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.rule import Setting

HERE = Path(__file__).parent
MARK = "# <- here"


def texts(directory: Path) -> dict[str, str]:
    """The YAML files of a tree, by their path in it."""
    return {str(path.relative_to(directory)): path.read_text() for path in sorted(directory.rglob("*.yaml"))}


def repository(files: dict[str, str]) -> Repository:
    """The files as `castle check` reads them."""
    read = reading.read(Memory(files))
    assert not [each for each in read.faults if each.rule == "yaml"], read.faults
    return read


def setting(directory: Path) -> Setting:
    """The `setting.json` of a tree, or what is usual."""
    path = directory / "setting.json"
    said = json.loads(path.read_text()) if path.exists() else {}
    if "living" in said:
        said["living"] = frozenset(said["living"])
    if "kubernetes" in said:
        said["kubernetes"] = tuple(said["kubernetes"])
    return Setting(**said)


def marked(files: dict[str, str]) -> set[tuple[str, int]]:
    """The lines that carry the mark."""
    lines = ((file, number, line) for file, text in files.items() for number, line in enumerate(text.splitlines(), 1))
    return {(file, number) for file, number, line in lines if line.rstrip().endswith(MARK)}

"""What a repository of the tests says of itself: `# planted: N why`, `# fine: N why` beside lines, or in PLANTED.md."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

BESIDE = re.compile(r"# (planted|fine): (\d+) ")
LISTED = re.compile(r"^(planted|fine) (\d+) (\S+):(\d+) ", re.MULTILINE)
Place = tuple[str, int]


def marks(tree: Path, word: str) -> dict[int, set[Place]]:
    """The places of each number: file, relative to the tree, and line.

    Args:
        tree: directory of the repository.
        word: "planted" for mistakes, "fine" for what only looks like one.
    """
    found: dict[int, set[Place]] = defaultdict(set)
    for said, number, place in [*_beside(tree), *_listed(tree)]:
        if said == word:
            found[number].add(place)
    return dict(found)


def _beside(tree: Path) -> Iterator[tuple[str, int, Place]]:
    for path in sorted(tree.rglob("*.yaml")):
        for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if said := BESIDE.search(text):
                yield said[1], int(said[2]), (str(path.relative_to(tree)), line)


def _listed(tree: Path) -> Iterator[tuple[str, int, Place]]:
    for said in LISTED.finditer((tree / "PLANTED.md").read_text(encoding="utf-8")):
        yield said[1], int(said[2]), (said[3], int(said[4]))

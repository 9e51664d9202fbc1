"""What a person asked `castle check` for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Asked:
    """The command line.

    Attributes:
        paths: files, directories, "-" for standard input; none: the castle's definition, or this directory.
        file: the definition, as every verb takes it.
        site: of the castle whose systems are asked; None: the first.
        offline: ask no system, read only files.
        only: rules to look with; empty for all. without: rules to leave out.
        kubernetes: version that the manifests are for, (1, 36); None: the newest that castle knows.
        baseline: file of findings that are known; "" for none.
    """

    paths: tuple[str, ...] = ()
    file: str = "castle.yaml"
    site: str | None = None
    offline: bool = False
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    kubernetes: tuple[int, int] | None = None
    baseline: str = ""

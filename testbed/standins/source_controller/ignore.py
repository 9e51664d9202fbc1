"""What an artifact leaves out: patterns of `.sourceignore` files, of `spec.ignore`, and Flux' own.

Source: fluxcd/pkg sourceignore v0.18.0, and the rules of gitignore(5) that it follows.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

FILE = ".sourceignore"
ALWAYS = [".git/", ".gitignore", ".gitmodules", ".gitattributes"]
UNLESS_TOLD = [
    "*.jpg", "*.jpeg", "*.gif", "*.png", "*.wmv", "*.flv", "*.tar.gz", "*.zip",
    ".github/", ".circleci/", ".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml", "cloudbuild.yaml",
    "codeship-services.yml", "codeship-steps.yml", "**/.goreleaser.yml", "**/.sops.yaml", "**/.flux.yaml",
]  # fmt: skip
Parts = tuple[str, ...]


@dataclass(frozen=True)
class Pattern:
    """One line.

    Attributes:
        parts: between its slashes; one alone without any stands for a name at any depth.
        domain: the directory that it was said in.
        back: it brings back what an earlier one left out.
        folders: it means directories only.
        rooted: it has a slash before its end.
    """

    parts: Parts
    domain: Parts
    back: bool
    folders: bool
    rooted: bool

    def matches(self, path: Parts, *, folder: bool) -> bool:
        """Whether it means this path, or a directory above it."""
        if path[: len(self.domain)] != self.domain or len(path) <= len(self.domain):
            return False
        below = path[len(self.domain) :]
        ends = range(1, len(below) + 1)
        return any(self._means(below[:end]) and (folder or end < len(below) or not self.folders) for end in ends)

    def _means(self, path: Parts) -> bool:
        if not self.rooted:
            return fnmatch.fnmatchcase(path[-1], self.parts[0])
        return _glob(path, self.parts)


def _glob(path: Parts, parts: Parts) -> bool:
    if not parts:
        return not path
    if parts[0] == "**":
        if len(parts) == 1:
            return bool(path)
        return any(_glob(path[skip:], parts[1:]) for skip in range(len(path) + 1))
    return bool(path) and fnmatch.fnmatchcase(path[0], parts[0]) and _glob(path[1:], parts[1:])


def pattern(line: str, domain: Parts = ()) -> Pattern:
    """From one line."""
    back = line.startswith("!")
    text = line[1:] if back else line
    text = text if text.endswith("\\ ") else text.rstrip(" ")
    folders = text.endswith("/")
    text = text.rstrip("/")
    rooted = "/" in text
    return Pattern(tuple(text.strip("/").split("/")), domain, back, folders, rooted)


def lines(text: str, domain: Parts = ()) -> list[Pattern]:
    """From a file, or from `spec.ignore`."""
    said = (each for each in text.splitlines() if each.strip() and not each.startswith("#"))
    return [pattern(each, domain) for each in said]


def written(folder: Path, domain: Parts = ()) -> list[Pattern]:
    """Those of all `.sourceignore` files of a tree."""
    own = folder / FILE
    found = lines(own.read_text(errors="replace"), domain) if own.is_file() else []
    for each in sorted(folder.iterdir()):
        if each.is_dir() and not each.is_symlink() and each.name != ".git":
            found += written(each, (*domain, each.name))
    return found


class Ignore:
    """What is left out.

    Args:
        said: patterns of files and of the object, in this order; where there is one, Flux' own list does not count.
    """

    def __init__(self, said: Sequence[Pattern]) -> None:
        own = ALWAYS if said else [*ALWAYS, *UNLESS_TOLD]
        self._patterns = [*(pattern(each) for each in own), *said]

    def leaves_out(self, path: Iterable[str], *, folder: bool = False) -> bool:
        """The last pattern that means it decides."""
        parts = tuple(path)
        for each in reversed(self._patterns):
            if each.matches(parts, folder=folder):
                return not each.back
        return False

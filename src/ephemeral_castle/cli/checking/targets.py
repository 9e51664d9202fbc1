"""What the paths of a command line mean: a definition, trees of manifests, single files, standard input."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from ephemeral_castle.errors import UsageError

STDIN = "-"
DEFINITION = "castle.yaml"
_DEFINES = re.compile(r"^castle:\s*\S", re.MULTILINE)


@dataclass(frozen=True)
class Targets:
    """What is looked at.

    Attributes:
        definition: file of a castle; "" for none.
        trees: directories of manifests.
        files: single files of manifests.
        stdin: whether standard input is one.
        named: whether the person named them; else they were found.
    """

    definition: str = ""
    trees: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    stdin: bool = False
    named: bool = True

    @property
    def paths(self) -> tuple[str, ...]:
        """All that is named or was found; standard input as a person names it."""
        return tuple(filter(None, (self.definition, *self.trees, *self.files, STDIN if self.stdin else "")))


def targets(paths: tuple[str, ...], file: str) -> Targets:
    """Sorts paths.

    Args:
        paths: as they were named.
        file: the definition that is taken where no path is named and it exists.

    Raises:
        UsageError: there is no such file or directory.
    """
    if not paths:
        return Targets(file, named=False) if Path(file).exists() else Targets(trees=(".",), named=False)
    found = [path for path in dict.fromkeys(paths) if path != STDIN]
    for path in found:
        if not Path(path).exists():
            raise _no_such(path)
    trees = tuple(path for path in found if Path(path).is_dir())
    files = [path for path in found if path not in trees]
    below = [str(Path(tree, DEFINITION)) for tree in trees if Path(tree, DEFINITION).is_file()]
    definitions = list(dict.fromkeys([*(path for path in files if _defines(Path(path))), *below]))
    if len(definitions) > 1:
        raise UsageError(
            f"{len(definitions)} definitions at once",
            why=f"each is a castle of its own: {', '.join(definitions)}",
            hints=[f"castle check {definitions[0]}"],
        )
    single = tuple(path for path in files if path not in definitions)
    return Targets(definitions[0] if definitions else "", trees, single, STDIN in paths)


def _defines(path: Path) -> bool:
    """Whether a file is the definition of a castle rather than a manifest."""
    if path.suffix not in (".yaml", ".yml") or not path.is_file():  # to open a pipe would be to wait for its writer
        return False
    try:
        with path.open("rb") as stream:
            text = stream.read(1 << 16).decode("utf-8", errors="replace")
    except OSError:
        return False
    return bool(_DEFINES.search(text)) and not re.search(r"^apiVersion:", text, re.MULTILINE)


def _no_such(path: str) -> UsageError:
    if Path(path).is_symlink():
        return UsageError(
            f"`{path}` is a link that leads nowhere", state="nothing was looked at", hints=[f"ls -l {path}"]
        )
    here = Path(path).parent
    names = [each.name for each in here.iterdir()] if here.is_dir() else []
    near = get_close_matches(Path(path).name, names, n=1)
    hints = [f"did you mean `{here / near[0]}`?"] if near else ["castle check --help"]
    return UsageError(f"there is no file or directory `{path}`", state="nothing was looked at", hints=hints)

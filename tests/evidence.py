"""Which tests show what, and by what kind of thing: read from the marker `evidence` without running anything.

`pytest.mark.evidence(KIND, *SYSTEMS)`: KIND is one of `systems.KINDS`, SYSTEMS are keys of `systems.SYSTEMS`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.systems import GROUPS, KINDS, SYSTEMS

TESTS = Path(__file__).parent
FOLDERS = ("contract", "e2e", "kubernetes", "standins")  # every test in these says what it shows

Evidence = dict[str, dict[str, list[str]]]


class Unreadable(ValueError):
    """A marker that says nothing that could be counted."""


def check(kind: object, *systems: object) -> None:
    """Raises Unreadable for words that nobody knows."""
    if kind not in KINDS:
        raise Unreadable(f"evidence({kind!r}): it is one of {', '.join(KINDS)}")
    if not systems:
        raise Unreadable(f"evidence({kind!r}) names no system")
    unknown = [each for each in systems if each not in SYSTEMS]
    if unknown:
        raise Unreadable(f"evidence({kind!r}): tests/systems.py knows no {', '.join(map(str, unknown))}")


def files() -> Iterator[Path]:
    """The files whose tests carry evidence."""
    for folder in FOLDERS:
        yield from sorted((TESTS / folder).glob("test_*.py"))


def of_file(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every `evidence` of a file: kind and systems.

    Raises:
        Unreadable: words that nobody knows, or that can only be known by running the file.
    """
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "evidence":
            kind, *systems = [word for each in node.args for word in _words(each)]
            check(kind, *systems)
            yield kind, tuple(systems)


def _words(node: ast.expr) -> tuple[str, ...]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return (node.value,)
    if isinstance(node, ast.Starred) and isinstance(node.value, ast.Name) and node.value.id in GROUPS:
        return GROUPS[node.value.id]
    raise Unreadable(f"evidence: `{ast.unparse(node)}` is neither a text nor *{', *'.join(GROUPS)}")


def gathered() -> Evidence:
    """System -> kind -> the files, such as `e2e/test_files`, that show it."""
    found: Evidence = {name: {kind: [] for kind in KINDS} for name in SYSTEMS}
    for path in files():
        where = f"{path.parent.name}/{path.stem}"
        for kind, systems in of_file(path.read_text()):
            for name in systems:
                if where not in found[name][kind]:
                    found[name][kind].append(where)
    return found

"""All faults of an object: the API server stops at a value that it cannot decode, and at unknown fields. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ephemeral_castle.manifests.schemas.fault import REQUIRED, Cause, Step
from ephemeral_castle.manifests.schemas.known import Judge
from ephemeral_castle.manifests.schemas.structural import Verdict

BROKEN: Final = 400  # the server's answer to what it could not even decode
ROUNDS: Final = 32  # faults of one object that are looked behind
Path = tuple[Step, ...]


def whole(by: Judge, document: Mapping[str, Any]) -> Verdict:
    """The server's answer, with the causes that it would give once the first ones are mended."""
    first = last = by.judge(document)
    causes = list(first.causes)
    gone: set[Path] = set()
    for _ in range(ROUNDS):
        paths = {path for each in last.causes if (path := _removable(each.path))}
        if last.code != BROKEN or not paths:
            break
        for path in sorted(paths, key=len, reverse=True):
            document = _without(document, path)
        gone |= paths
        last = by.judge(document)
        causes += [each for each in last.causes if each not in causes and not _made_so(each, gone)]
    return replace(first, causes=tuple(causes), unchecked=last.unchecked)


def _made_so(cause: Cause, gone: set[Path]) -> bool:
    """Whether a fault is there only because something was taken away to look behind it."""
    return cause.reason == REQUIRED and any(cause.path[: len(each)] == each for each in gone)


def _removable(path: Sequence[Step]) -> Path:
    """The field that holds a value: without an item of a list all others would have other numbers."""
    end = len(path)
    while end and isinstance(path[end - 1], int):
        end -= 1
    return tuple(path[:end])


def _without(value: Any, path: Path) -> Any:
    """A copy without what is at a path."""
    step, rest = path[0], path[1:]
    if isinstance(value, Mapping) and step in value:
        if not rest:
            return {key: each for key, each in value.items() if key != step}
        return {**value, step: _without(value[step], rest)}
    if isinstance(value, list) and isinstance(step, int) and step < len(value) and rest:
        return [*value[:step], _without(value[step], rest), *value[step + 1 :]]
    return value

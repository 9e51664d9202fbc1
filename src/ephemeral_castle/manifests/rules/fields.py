"""How rules look into manifests: whatever stands there is taken, and a fault lies where its field was written. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ephemeral_castle.manifests.repository import Object
from ephemeral_castle.manifests.substitution import Undecided
from ephemeral_castle.manifests.tree import place
from ephemeral_castle.model.finding import Edit, Finding, Severity

ERROR, WARNING, NOTE, UNDECIDED = Severity.ERROR, Severity.WARNING, Severity.NOTE, Severity.UNDECIDED

Path = tuple[str | int, ...]


def dig(value: Any, *steps: str | int) -> Any:
    """The value at a path, or None."""
    for step in steps:
        if isinstance(value, list):
            inside = isinstance(step, int) and step < len(value)
        else:
            inside = isinstance(value, Mapping) and step in value
        if not inside:
            return None
        value = value[step]
    return value


def mapping(value: Any) -> Mapping[str, Any]:
    """The value where it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def listed(value: Any) -> Sequence[Any]:
    """The value where it is a list, else an empty one."""
    return value if isinstance(value, list) else ()


def text(value: Any) -> str:
    """The value where it is a text that is known, else "": not of one that sops or a variable hides."""
    return value if isinstance(value, str) and not isinstance(value, Undecided) else ""


def spec(thing: Object) -> Mapping[str, Any]:
    """Its `spec`."""
    return mapping(thing.manifest.get("spec"))


def notes(thing: Object) -> Mapping[str, Any]:
    """Its annotations."""
    return mapping(dig(thing.manifest, "metadata", "annotations"))


def labels(thing: Object) -> Mapping[str, Any]:
    """Its labels."""
    return mapping(dig(thing.manifest, "metadata", "labels"))


def each(value: Any, *steps: str | int) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The mappings of the list at a path, each with its own path."""
    for index, item in enumerate(listed(dig(value, *steps))):
        if isinstance(item, Mapping):
            yield (*steps, index), item


def scalars(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value that holds no other, with its path."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from scalars(below, (*path, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from scalars(below, (*path, index))
    else:
        yield path, value


def mappings(value: Any, path: Path = ()) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Every mapping, the outermost first, with its path."""
    if isinstance(value, Mapping):
        yield path, value
    inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield from mappings(below, (*path, key))


def spoken(path: Path) -> str:
    """A path as the API server writes it: "spec.users[1].name"."""
    said = ""
    for step in path:
        said += f"[{step}]" if isinstance(step, int) else f".{step}" if said else step
    return said


def fault(  # noqa: PLR0913 - what a finding is made of
    rule: str,
    severity: Severity,
    thing: Object,
    path: Path,
    message: str,
    *,
    hints: tuple[str, ...] = (),
    says: str = "",
    key: bool = False,
    edits: tuple[Edit, ...] = (),
) -> Finding:
    """A finding about a field of an object.

    Args:
        rule: id of the rule.
        severity: how bad it is.
        thing: the object.
        path: of the field; () for the object itself.
        message: one line, lower case, no full stop.
        hints: what to do.
        says: the real system's words.
        key: the place of the field's key, rather than of its value.
        edits: a mend that needs no judgement.
    """
    where = place(thing.manifest, path, key=key)
    return Finding(rule, severity, message, where, hints, says, thing.subject, spoken(path), thing.chain, edits)

"""Fields of manifests by path: found, made where they are missing, and set. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ephemeral_castle.manifests.kustomize.faults import Broken
from ephemeral_castle.manifests.tree import NOWHERE, Map, Seq
from ephemeral_castle.model.finding import Mark


class Spec(NamedTuple):
    """A field of some kinds. `path`: parts, `x[]` for a list that is never made. "" is any kind, group or version."""

    path: tuple[str, ...]
    kind: str = ""
    group: str = ""
    version: str = ""
    create: bool = False

    def fits(self, group: str, version: str, kind: str) -> bool:
        """Whether a resource of this kind may have it."""
        return self.kind in ("", kind) and self.group in ("", group) and self.version in ("", version)


class Place(NamedTuple):
    """Where a value is: in a map under a key, or in a list under an index."""

    holder: Any
    key: Any

    @property
    def value(self) -> Any:
        """The value there."""
        return self.holder[self.key]

    @property
    def at(self) -> Mark:
        """Where it was written."""
        found: Mark = self.holder.at[self.key]
        return found

    def put(self, value: Any, at: Mark) -> None:
        """Sets it."""
        self.holder[self.key] = value
        self.holder.at[self.key] = at


def split(path: str) -> tuple[str, ...]:
    r"""The parts of a path of kustomize, `metadata/annotations/a.b\/c`."""
    parts: list[str] = []
    for part in path.lstrip("/").split("/"):
        if parts and parts[-1].endswith("\\"):
            parts[-1] = f"{parts[-1][:-1]}/{part}"
        else:
            parts.append(part)
    return tuple(parts)


def places(root: Map, path: Sequence[str], made: Any = None, mark: Mark = NOWHERE) -> Iterator[Place]:
    """Every place that a path leads to; lists on the way are walked through.

    Args:
        root: of the manifest.
        path: parts.
        made: what a missing field is made of: `Map` for a map, "" for a scalar; None: it is not made.
        mark: the place of what is made.

    Raises:
        Broken: the path leads through a plain value.
    """
    holder = Map()
    holder.put("", root, root.begin)
    yield from _below(Place(holder, ""), tuple(path), made, mark)


def _below(here: Place, path: tuple[str, ...], made: Any, mark: Mark) -> Iterator[Place]:
    if not path:
        yield here
        return
    value = here.value
    if value is None:
        return
    if isinstance(value, Seq):
        for number in range(len(value)):
            yield from _below(Place(value, number), path, made, mark)
        return
    if not isinstance(value, Map):
        says = f"considering field '{'/'.join(path)}': expected sequence or mapping node"
        raise Broken(f"a plain value stands where `{path[0]}` is looked for", here.at, says)
    name = path[0].removesuffix("[]")
    if value.get(name) is None:
        creating = made is not None and name == path[0]
        if not creating and name not in value:
            return
        if creating:
            value.put(name, Map(mark) if len(path) > 1 or made is Map else made, value.named.get(name, mark), mark)
    yield from _below(Place(value, name), path[1:], made, mark)

"""JSON Patch (RFC 6902) on a manifest, in the words of the library that kustomize uses. Pure."""

from __future__ import annotations

from typing import Any

from ephemeral_castle.manifests.kustomize.faults import Broken, NotRendered
from ephemeral_castle.manifests.tree import Map, Seq, copied
from ephemeral_castle.model.finding import Mark

MOST = 500_000  # values that are looked at while a patch is applied: each copy of a whole into itself doubles it
DEEPEST = 200  # values in one another: twice what a file may have
OPERATIONS = ("add", "remove", "replace", "move", "copy", "test")


def apply(root: Map, patch: Seq) -> None:
    """Applies all operations of a patch, in place.

    Raises:
        Broken: an operation that does not apply, with its place in the patch.
        NotRendered: it makes more than memory is for.
    """
    made = 0
    for operation, at in zip(patch, patch.at, strict=True):
        if not isinstance(operation, Map):
            raise Broken("an operation of a JSON patch is a mapping", at)
        _one(root, operation)
        made += _size(root, at)
        if made > MOST:
            raise NotRendered("a patch that copies so much", at)


def _size(root: Map, mark: Mark) -> int:
    """How many values an object has; they are counted level by level, for a patch may nest it without end."""
    count = 0
    level: list[Any] = [root]
    for _ in range(DEEPEST):
        count += len(level)
        inside = (each.values() if isinstance(each, Map) else each for each in level)
        level = [each for values in inside for each in values if isinstance(each, Map | Seq)]
        if not level or count > MOST:
            return count
    raise NotRendered("an object that is nested so deep", mark)


def _one(root: Map, operation: Map) -> None:
    name, path = operation.get("op"), operation.get("path")
    if name not in OPERATIONS or not isinstance(path, str):
        where = operation.at.get("op" if name not in OPERATIONS else "path", operation.begin)
        says = f"Unexpected kind: {name}" if name not in OPERATIONS else "error in patch: missing `path`"
        raise Broken("a JSON patch operation needs an `op` of RFC 6902 and a `path`", where, says)
    if name in ("move", "copy"):
        source = operation.get("from")
        if not isinstance(source, str):
            raise Broken(f"`{name}` needs `from`", operation.begin, f"{name} operation does not apply: missing from")
        value, at = _get(root, source, name, operation.at["from"])
        if name == "move":
            _remove(root, source, name, operation.at["from"])
        _add(root, path, copied(value), at, (name, operation.at["path"]))
    elif name == "test":
        _test(root, path, operation)
    elif name == "remove":
        _remove(root, path, name, operation.at["path"])
    else:
        at = operation.at.get("value", operation.begin)
        value = copied(operation.get("value"))
        if name == "replace":
            _replace(root, path, value, at, operation.at["path"])
        else:
            _add(root, path, value, at, (name, operation.at["path"]))


def _parts(path: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _holder(root: Map, path: str, name: str, mark: Mark) -> tuple[Any, str]:
    """What holds the last part of a path, and that part."""
    found: Any = root
    *above, last = _parts(path) or [""]
    for part in above:
        if isinstance(found, Map) and part in found:
            found = found[part]
        elif isinstance(found, Seq) and _index(part, len(found)) is not None:
            found = found[_index(part, len(found)) or 0]
        else:
            found = None
    if not isinstance(found, Map | Seq) or not path:
        says = f"{name} operation does not apply: doc is missing path: {path}: missing value"
        raise Broken(f"the object has no `{path}`", mark, says, _hint(root, path))
    return found, last


def _index(part: str, size: int) -> int | None:
    try:
        number = int(part)
    except ValueError:
        return None
    number = number + size if number < 0 else number
    return number if 0 <= number < size else None


def _get(root: Map, path: str, name: str, mark: Mark) -> tuple[Any, Mark]:
    holder, last = _holder(root, path, name, mark)
    if isinstance(holder, Map):
        return holder.get(last), holder.at.get(last, mark)
    number = _index(last, len(holder))
    if number is None:
        says = f"{name} operation does not apply: doc is missing from path: {path}: missing value"
        raise Broken(f"the object has no `{path}`", mark, says, _hint(root, path))
    return holder[number], holder.at[number]


def _add(root: Map, path: str, value: Any, at: Mark, told: tuple[str, Mark]) -> None:
    holder, last = _holder(root, path, *told)
    if isinstance(holder, Map):
        holder.put(last, value, holder.named.get(last, at), at)
        return
    size = len(holder)
    number = size if last == "-" else size if last == str(size) else _index(last, size)
    if number is None:
        says = f"{told[0]} operation does not apply: doc is missing path: {path}: invalid index referenced"
        raise Broken(f"the list has no place `{last}`", told[1], says, "`/-` appends to it")
    holder.insert(number, value)
    holder.at.insert(number, at)


def _replace(root: Map, path: str, value: Any, at: Mark, mark: Mark) -> None:
    holder, last = _holder(root, path, "replace", mark)
    if isinstance(holder, Map):
        holder.put(last, value, holder.named.get(last, at), at)  # the library makes what is missing, against the RFC
        return
    number = _index(last, len(holder))
    if number is None:
        says = f"replace operation does not apply: doc is missing key: {path}: missing value"
        raise Broken(f"the list has no `{path}` to replace", mark, says, "`op: add` makes it")
    holder[number], holder.at[number] = value, at


def _remove(root: Map, path: str, name: str, mark: Mark) -> None:
    holder, last = _holder(root, path, name, mark)
    if isinstance(holder, Map) and last in holder:
        holder.drop(last)
        return
    number = _index(last, len(holder)) if isinstance(holder, Seq) else None
    if number is None:
        why = f"Unable to remove nonexistent key: {last}: missing value"
        says = f"{name} operation does not apply: error in remove for path: '{path}': {why}"
        raise Broken(f"the object has no `{path}` to remove", mark, says, _hint(root, path))
    del holder[number], holder.at[number]


def _test(root: Map, path: str, operation: Map) -> None:
    mark = operation.at["path"]
    holder, last = _holder(root, path, "test", mark)
    found: Any = None
    if isinstance(holder, Map):
        found = holder.get(last)
    else:
        number = _index(last, len(holder))
        found = holder[number] if number is not None else None
    if found != operation.get("value") or isinstance(found, bool) != isinstance(operation.get("value"), bool):
        says = f"testing value {path} failed: test failed"
        raise Broken(f"`{path}` has another value than this test wants", mark, says)


def _hint(root: Map, path: str) -> str:
    """How far the path is there."""
    found: Any = root
    there = ""
    for part in _parts(path):
        if isinstance(found, Map) and part in found:
            found = found[part]
        elif isinstance(found, Seq) and _index(part, len(found)) is not None:
            found = found[_index(part, len(found)) or 0]
        else:
            break
        there += f"/{part}"
    return f"there is `{there}`" if there else ""

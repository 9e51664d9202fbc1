"""`castle schemas`: what is known, and fetching more. A part of the composition root's work, reached by `wiring`."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ephemeral_castle.cli import shelf, worlds
from ephemeral_castle.errors import Conflict, NotFound, Permanent
from ephemeral_castle.manifests.schemas.gathered import File, gathered
from ephemeral_castle.manifests.schemas.lock import NAME, ConflictError, Entry, Lock, Source

CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
FLUX, FLUX_PARTS = "github.com/fluxcd/", ("kustomize", "helm", "source")
CLUSTER, MODULE, PACKAGE = "cluster:", "go:", "pypi:"


@dataclass(frozen=True)
class Wanted:
    """What is to be pulled.

    Attributes:
        sources: paths, URLs, `go:MODULE@VERSION`, `pypi:NAME==VERSION`, `cluster:CONTEXT`; none: all of the lock again.
        sha256: of the one URL; "" where the lock has it, or nobody knows it.
        kubeconfig: as kubectl finds it when empty.
        directory: where the lock lies or will lie.
    """

    sources: tuple[str, ...] = ()
    sha256: str = ""
    kubeconfig: str = ""
    directory: str = "."


def known(directory: str) -> dict[str, Any]:
    """What the lock of a directory pins: `lock` (its path or ""), `sources`, `kinds` with `cached` each."""
    path = shelf.lock_file(directory)
    lock, fetch = shelf.lock_of(path), shelf.fetch()
    kinds = [{**asdict(each), "cached": fetch(each.digest) is not None} for each in lock.entries]
    return {"lock": str(path or ""), "sources": [asdict(each) for each in lock.sources], "kinds": kinds}


async def pulled(**wanted: Any) -> dict[str, Any]:
    """What `pull` gives; the words are those of `Wanted`."""
    return await pull(Wanted(**wanted))


async def pull(wanted: Wanted) -> dict[str, Any]:
    """Fetches sources into the cache and pins them.

    Gives `lock`, and for each source `name`, `kinds`, `changed`, and `portable`: another computer can fetch it, too.

    Raises:
        Conflict: what is pinned is another content, or two sources differ about a kind. NotFound: no schema there.
        Others: as the servers say.
    """
    path = await asyncio.to_thread(_place, wanted.directory)
    lock = shelf.lock_of(path)
    pinned = {each.name: each.digest for each in lock.sources}
    again = not wanted.sources
    names = wanted.sources or tuple(pinned)
    if not names:
        raise NotFound("nothing is pinned yet", where=str(path), hints=["castle schemas pull DIRECTORY"])
    told: list[dict[str, Any]] = []
    for name in names:
        source, files = await _fetched(name, wanted, path.parent, pinned)
        if again and source.digest != pinned[name] and not name.startswith(CLUSTER):
            raise Conflict(
                "this is not what the lock pins",
                where=name,
                why=f"it has {source.digest} now, {path.name} pins {pinned[name]}",
                hints=[f"castle schemas pull {name}, which takes what is there now; git diff {path.name} shows it"],
            )
        before = {(each.api, each.kind): each.digest for each in lock.entries if each.source == source.name}
        lock, entries = await asyncio.to_thread(_pinned, _without_other_versions(lock, source.name), source, files)
        after = {(each.api, each.kind): each.digest for each in entries}
        changed = sum(before.get(key) != digest for key, digest in after.items())
        told.append({"name": source.name, "kinds": len(after), "changed": changed, "portable": _portable(source)})
    shelf.write(path, lock)
    return {"lock": str(path), "sources": told}


def _place(directory: str) -> Path:
    return shelf.lock_file(directory) or Path(directory).resolve() / NAME


def drop(directory: str, name: str) -> dict[str, Any]:
    """Takes a source and its kinds out of the lock; the cache keeps its entries. Gives `lock` and `dropped`."""
    path = shelf.lock_file(directory)
    lock = shelf.lock_of(path)
    if path is None or name not in {each.name for each in lock.sources}:
        hints = ["castle schemas, which lists the sources"]
        raise NotFound(f"no source `{name}` is pinned", where=str(path or directory), hints=hints)
    dropped = sum(each.source == name for each in lock.entries)
    shelf.write(path, lock.without(name))
    return {"lock": str(path), "dropped": dropped}


def _without_other_versions(lock: Lock, name: str) -> Lock:
    """The lock without the versions of the same module or package that this one replaces."""
    mark = {MODULE: "@", PACKAGE: "=="}.get(name.partition(":")[0] + ":", "")
    for source in lock.sources if mark else ():
        if source.name != name and source.name.partition(mark)[0] == name.partition(mark)[0]:
            lock = lock.without(source.name)
    return lock


def _pinned(lock: Lock, source: Source, files: Sequence[File]) -> tuple[Lock, Sequence[Entry]]:
    try:
        found = list(gathered(files))
        lock = lock.having(source, [entry for entry, _ in found])
    except ConflictError as error:
        hints = [*_ways_out(error, source), "keep the one that your cluster has; the lock was not changed"]
        raise Conflict("two schemas for one kind", where=source.name, why=str(error), hints=hints) from error
    except ValueError as error:
        raise Permanent("a file of this source cannot be read", where=source.name, why=str(error)) from error
    if not found:
        why = "no CustomResourceDefinition and no OpenAPI of Kubernetes is in it"
        raise NotFound("there is no schema in this source", where=source.name, why=why, hints=_nearby(source.name))
    for entry, packed in found:
        shelf.keep(entry.digest, packed)
    return lock, [entry for entry, _ in found]


def _ways_out(error: ConflictError, source: Source) -> list[str]:
    """The commands that leave one of two schemas: without the other source, or with a part of this one."""
    one, other = error.entries
    if one.source != other.source:
        return [f"castle schemas drop {one.source}, and then this pull again"]
    name = source.name.partition("#")[0]
    parts = [_apart(one.file, other.file), _apart(other.file, one.file)]
    return [f"castle schemas pull {name}#{part}, which takes only what lies there" for part in parts]


def _apart(file: str, other: str) -> str:
    """The directory in which a file lies and the other does not; the file itself where there is none."""
    *above, name = file.split("/")
    for depth in range(1, len(above) + 1):
        part = "/".join(above[:depth])
        if not other.startswith(f"{part}/"):
            return part
    return "/".join((*above, name))


def _nearby(name: str) -> list[str]:
    """Where the schemas lie that a Go module lacks."""
    module, _, version = name.removeprefix(MODULE).partition("@")
    if not name.startswith(MODULE):
        return []
    if module.startswith(f"{FLUX}flux2"):
        return [f"castle schemas pull {MODULE}{FLUX}{each}-controller@VERSION" for each in FLUX_PARTS]
    if module.endswith("/api"):
        return [f"castle schemas pull {MODULE}{module.removesuffix('/api')}@{version.partition('#')[0]}"]
    return ["CRDs lie in the module that holds config/crd of the operator, mostly the one of its repository's root"]


async def _fetched(name: str, wanted: Wanted, base: Path, pinned: Mapping[str, str]) -> tuple[Source, Sequence[File]]:
    if name.startswith(CLUSTER):
        return await _cluster(name, wanted)
    name, mark, below = name.partition("#")
    if name.startswith(MODULE):
        digest, files = await asyncio.to_thread(worlds.schema_module, name.removeprefix(MODULE))
    elif name.startswith(PACKAGE):
        digest, files = await asyncio.to_thread(worlds.schema_package, name.removeprefix(PACKAGE))
    elif "://" in name:
        sha256 = wanted.sha256 or (pinned.get(f"{name}{mark}{below}", "") if not wanted.sources else "")
        digest, files = await asyncio.to_thread(worlds.schema_url, name, sha256)
    else:
        place = base / name if not wanted.sources else Path(name)
        if not place.exists():
            raise _lost(f"{name}{mark}{below}", place, pinned)
        digest, files = await asyncio.to_thread(worlds.schema_directory, place)
        name = _beside(place, base)
    if mark:
        files = [each for each in files if each[0] == below or each[0].startswith(f"{below.rstrip('/')}/")]
    return Source(f"{name}{mark}{below}", digest), files


def _lost(name: str, place: Path, pinned: Mapping[str, str]) -> NotFound:
    """What to say of a path that is not here, by whether the lock pins it."""
    if name not in pinned:
        return NotFound(f"there is no {place}", hints=["castle schemas pull DIRECTORY"])
    why = "the lock pins this path" + (
        ", which lies on the computer where it was pulled" if place.is_absolute() else ""
    )
    hints = [f"castle schemas drop {name}", "and then castle schemas pull SOURCE, where these schemas are now"]
    return NotFound(f"there is no {place}", why=why, hints=hints)


def _portable(source: Source) -> bool:
    """Whether another checkout has it: only paths of its own repository are pinned as relative ones."""
    return not Path(source.name).is_absolute()


def _beside(place: Path, base: Path) -> str:
    """A path as the lock has it: below its own directory where it lies there, so that it holds for every checkout."""
    full = place.resolve()
    return full.relative_to(base).as_posix() if full.is_relative_to(base) else str(full)


async def _cluster(name: str, wanted: Wanted) -> tuple[Source, Sequence[File]]:
    context = name.removeprefix(CLUSTER) or worlds.current_context(wanted.kubeconfig)
    cluster = worlds.cluster_of(wanted.kubeconfig, context)
    try:
        found = await cluster.list(*CRD)
    finally:
        await cluster.close()
    files = [
        (f"{each['metadata']['name']}.json", json.dumps({**each, "apiVersion": CRD[0], "kind": CRD[1]}).encode())
        for each in found
    ]
    content = b"".join(body for _, body in sorted(files))
    return Source(f"{CLUSTER}{context}", f"sha256:{hashlib.sha256(content).hexdigest()}"), files

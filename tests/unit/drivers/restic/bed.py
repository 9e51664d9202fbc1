"""A site of machines and files, and what a part of the driver `restic` sees of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import SimpleNamespace
from typing import Any

from ephemeral_castle.drivers.restic.options import ResticOptions
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.world import Result

ID = "c0ffee00-0000-4000-8000-000000000001"
RUN = "20261122-091651-ebf3"
NOW = 10_000.0
GROUND = Layer("machines", Role.GROUND, "podman")
DATABASE = Layer("database", Role.TREASURES, "postgres", needs=("machines",))
OPTIONS = ResticOptions(machine="data", volume="blog_uploads")
TAKEN = {"entries": 1, "files": 1, "bytes": 1, "digest": "d", "outline": "o"}


class Objects:
    """Objects of the treasury: key -> when it was stored; `read` and `deleted` tell what was done with them."""

    def __init__(self, stored: Mapping[str, float]) -> None:
        self.stored = dict(stored)
        self.read: list[str] = []
        self.deleted: list[str] = []

    async def list(self, prefix: str) -> AsyncIterator[Any]:
        for key, modified in self.stored.items():
            if key.startswith(prefix):
                yield SimpleNamespace(key=key, modified=modified)

    async def get(self, key: str) -> tuple[bytes, str] | None:
        self.read.append(key)
        return (key.encode(), "") if key in self.stored else None

    async def delete(self, key: str) -> None:
        self.deleted.append(key)


class Machine:
    """A machine whose podman answers `said` to whatever is asked; `asked` tells what was."""

    def __init__(self, said: Result) -> None:
        self.id, self.said, self.asked = "files-1-431", said, list[list[str]]()
        self.transport = SimpleNamespace(run=self.run)

    async def run(self, argv: list[str], **_: Any) -> Result:
        self.asked.append(argv)
        return self.said


def context(
    verb: Verb = Verb.REBIRTH,
    *,
    facts: Mapping[str, Any] | None = None,
    needs: tuple[str, ...] = ("machines",),
    machine: Machine | None = None,
    objects: Objects | None = None,
    lineage: Mapping[str, Any] | None = None,
    **words: Any,
) -> Any:
    """A context of the layer `uploads` on the site `here`, in a castle whose first life stands on this computer."""
    layer = Layer("uploads", Role.TREASURES, "restic", needs=needs)
    site = Site("here", (DATABASE, layer, GROUND))
    castle = Castle("files", Treasury("vault", "files"), {"here": site})
    known = facts or {}
    there = machine or Machine(Result(125, "", "Error: no such volume"))
    noted: list[tuple[str, str]] = []

    async def find(name: str, *, old: bool = False) -> Machine:
        del name, old
        return there

    async def intent(what: str, **_: Any) -> None:
        noted.append(("intent", what))

    async def settle() -> None:
        return None

    world = SimpleNamespace(
        access=SimpleNamespace(bucket="vault", prefix="files"),
        computer={"id": "computer-1"},
        objects=objects or Objects({}),
        clock=SimpleNamespace(now=lambda: NOW),
        settle=settle,
    )
    return SimpleNamespace(
        request=Request(verb, castle, site, **words),
        layer=layer,
        options=OPTIONS,
        world=world,
        record=SimpleNamespace(
            id=ID, life=1, site="here", computer="computer-1", lineage={"uploads": lineage} if lineage else {}
        ),
        run=RUN,
        life=1,
        old_life=1,
        attempt=1,
        started=NOW,
        facts=lambda step: known.get(step, {}),
        machine=find,
        intent=intent,
        noted=noted,
        decided=lambda decision, reason, **_: noted.append((decision, reason)),
        diagnostic=lambda severity, text: noted.append((severity, text)),
        progress=lambda text, **_: None,
    )

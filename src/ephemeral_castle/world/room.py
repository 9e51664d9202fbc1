"""A drill's room: namespaces and podman beside the castle's own, and the way from there to the treasury."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ephemeral_castle.errors import Refused, Transient
from ephemeral_castle.spi import marks
from ephemeral_castle.world.namespaces import mount_points_below
from ephemeral_castle.world.trees import delete_tree

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ephemeral_castle.spi.world import Exec
    from ephemeral_castle.world.enclosure import CastleEnclosure
    from ephemeral_castle.world.forwarders import Forwarders, Route

TREASURY = "treasury-out"
NOTE = "drill"  # a file with the id of the run that made what is there, and whether that goes again
GOING = "going"


@dataclass(frozen=True)
class DrillRoom:
    """Implements `spi.room.Room`.

    Attributes:
        exec: starts processes.
        enclosure: namespaces and podman of the room.
        forwarders: those of the room.
        ways: how machines in it reach what is outside, by forwarder: the treasury, and the site's `reach`.
        state: directory of the room on disk; nothing else lies there.
        runtime: directory of the room in memory.
    """

    exec: Exec
    enclosure: CastleEnclosure
    forwarders: Forwarders
    ways: Mapping[str, Route]
    state: Path
    runtime: Path

    @property
    def name(self) -> str:
        """See `spi.room.Room`."""
        return self.enclosure.name

    @property
    def _note(self) -> Path:
        """Written before anything is made, removed after everything."""
        return self.state / NOTE

    def maker(self) -> str:
        """See `spi.room.Room`."""
        return next(iter(self._noted()), "")

    def going(self) -> bool:
        """See `spi.room.Room`."""
        return GOING in self._noted()[1:]

    def _noted(self) -> list[str]:
        try:
            return self._note.read_text().split()
        except FileNotFoundError:
            return []

    async def stands(self) -> bool:
        """See `spi.room.Room`."""
        return not self.going() and await self.enclosure.exists() and all(map(self.forwarders.alive, self.ways))

    async def make(self, run: str) -> None:
        """See `spi.room.Room`."""
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._note.write_text(f"{run}\n")
        await self.enclosure.ensure()
        for name, way in self.ways.items():
            await self.forwarders.ensure(name, way)

    async def left(self) -> list[str]:
        """See `spi.room.Room`."""
        return [*self.enclosure.left(), *([str(self.state)] if self.state.exists() else [])]

    async def remove(self, mark: str) -> None:
        """See `spi.room.Room`."""
        await self._only_marked(mark)
        await self.clear()

    async def clear(self) -> None:
        """Removes all of it, whoever made it: for `castle down`, which proves nothing."""
        if self.maker():
            self._note.write_text(f"{self.maker()} {GOING}\n")
        await self.forwarders.stop_all()
        await self.enclosure.remove()
        if self.state.exists():
            await asyncio.to_thread(self._empty)  # the note goes last: to the end it says whose all of this was
            await asyncio.to_thread(delete_tree, self.state)

    def _empty(self) -> None:
        """Everything but the note; never through a mount."""
        for path in self.state.iterdir():
            if path == self._note:
                continue
            if mount_points_below(path):
                raise Refused("something is mounted in the drill's directory", where=str(path), hints=["umount it"])
            if path.is_dir() and not path.is_symlink():
                delete_tree(path)
            else:
                path.unlink()

    async def _only_marked(self, mark: str) -> None:
        """Refuses where somebody put things of his own into the room's podman."""
        if not await self.enclosure.exists():
            return
        strangers = [
            f"{kind} `{name}`"
            for kind, words in (("container", ("ps", "-a")), ("volume", ("volume", "ls")))
            for name, labels in await self._listed(words)
            if labels.get(marks.MARK) != mark
        ]
        if strangers:
            raise Refused(
                "something in the drill's room is not the drill's",
                where=self.name,
                why=", ".join(strangers),
                state="nothing was removed; the living castle was not touched",
                hints=["remove it by hand if you know what it is", "castle drill, which then clears the room"],
            )

    async def _listed(self, words: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
        result = await self.exec.run(self.enclosure.podman(*words, "--format", "json"), timeout=60.0)
        if not result.ok:
            raise Transient("podman does not answer", where=self.name, why=result.last_words())
        items: list[dict[str, Any]] = json.loads(result.out or "[]") or []
        return [(str((item.get("Names") or [item.get("Name", "")])[0]), item.get("Labels") or {}) for item in items]

"""Files as of a point in time: as a copy in a volume beside the living one, or in its place."""

from __future__ import annotations

from typing import Any

from ephemeral_castle.drivers.restic import access
from ephemeral_castle.drivers.restic.answers import Snapshot, explain, fields_of, parse_snapshots
from ephemeral_castle.drivers.restic.moment import choose
from ephemeral_castle.drivers.restic.part import Part
from ephemeral_castle.drivers.restic.place import VOLUMES
from ephemeral_castle.drivers.restic.prove import named, summary
from ephemeral_castle.drivers.restic.seal import Last, stirred
from ephemeral_castle.drivers.restic.steps import LONG
from ephemeral_castle.errors import Permanent, Refused
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.part import NOT_REACHED, REACHED


async def chosen(part: Part) -> Snapshot:
    """The snapshot that the command line means.

    Raises:
        Refused: there is none so early, or none of that name.
    """
    result = await part.outside().work("snapshots")
    if not result.ok:
        raise explain(result.code, result.err, "reading the snapshots", where=part.where())
    request = part.ctx.request
    return choose(parse_snapshots(result.out), request.to, request.label_of(part.layer), part.where())


class Side(Part):
    """A copy in a volume of its own on the same machine; nothing else changes."""

    async def observe(self) -> Observation:
        """Only the act knows."""
        return Observation(NOT_REACHED)

    async def act(self) -> Observation | None:
        """Restores into VOLUME-side."""
        snapshot = await chosen(self)
        place = self.place(old=True)
        machine = await place.machine()
        volume = f"{place.volume_name}-side"
        there = await place.volume(volume)
        if there is not None and not there.ours:
            # What the snapshot does not hold is deleted there: only over a copy that castle made.
            raise marks.stranger("volume", volume, ["podman", "volume", "inspect", volume])
        files = await access.files(self.ctx, "writer", place.life)
        result = await place.write("side", snapshot.id, files=files, key="side", again=True, volume=volume)
        if not result.ok:
            raise explain(result.code, result.err, f"restoring snapshot {snapshot.label} beside the living files",
                          where=f"machine {machine.id}", state="the living files are untouched")  # fmt: skip
        taken = fields_of(result.out, ["taken"])["taken"] or {}
        folder = f"{VOLUMES}/{volume}/_data"
        text = f"snapshot {snapshot.label}: {summary(taken)}, on machine {machine.id}: {folder}"
        return Observation(REACHED, text, {"machine": machine.id, "folder": folder, "snapshot": snapshot.id, **taken})


class Rehearse(Part):
    """The snapshot is there and whole, before anything is replaced by it."""

    async def observe(self) -> Observation:
        """Only the act knows."""
        return Observation(NOT_REACHED)

    async def act(self) -> Observation | None:
        """Restores it outside the castle and compares it with its own manifest."""
        snapshot = await chosen(self)
        outside = self.outside()
        await outside.deliver({"moved": "[]"})
        result = await outside.job("rehearse", "proof", snapshot.id, "0", timeout=LONG)
        if not result.ok:
            raise explain(result.code, result.err, f"restoring snapshot {snapshot.label} outside the castle",
                          where=self.where(), state="nothing was changed")  # fmt: skip
        found = fields_of(result.out, ["taken", "differ"])
        if found["differ"]:
            # A backup beside writers: the manifest was taken a moment before the files were read.
            self.ctx.diagnostic("info", f"changed while snapshot {snapshot.label} was made: {named(found['differ'])}")
        facts: dict[str, Any] = {"snapshot": snapshot.id, "label": snapshot.label, "time": snapshot.time}
        return Observation(REACHED, f"{snapshot.label}: {summary(found['taken'])}", {**facts, **found["taken"]})


class Before(Last):
    """What is here now stays within reach after a restore in place: all of it, so nothing may write meanwhile."""

    kind = "present"
    action = "before"


class Calm(Part):
    """The last look ahead of a restore in place: what somebody wrote since would be lost."""

    async def observe(self) -> Observation:
        """On resume the look is made again."""
        gone = self.waived()
        if gone:
            return gone
        return await self._look() if self.facts("calm") else Observation(NOT_REACHED)

    async def act(self) -> Observation | None:
        """Compares with the look after the snapshot."""
        return await self._look()

    async def _look(self) -> Observation:
        before = self.facts("before")
        if await self.place(old=True).stirring() != before["after"]:
            raise stirred(self, [])
        return Observation(REACHED, f"nothing wrote since {before['label']}", {"label": before["label"]})


class Rewind(Part):
    """The files of the living volume become those of the snapshot."""

    async def observe(self) -> Observation:
        """Only the act knows; a job that is under way or done is found."""
        return Observation(NOT_REACHED)

    async def act(self) -> Observation | None:
        """Restores over them, deletes what the snapshot does not hold."""
        wanted = self.facts("rehearse")
        place = self.place(old=True)
        await self.ctx.intent("restore in place", layer=self.layer, snapshot=wanted["snapshot"])
        files = await access.files(self.ctx, "writer", place.life)
        result = await place.write("rewind", str(wanted["snapshot"]), files=files, key="rewind")
        back = f"castle restore --set {self.layer}={self.facts('before')['label']}, to what was here before this run"
        if not result.ok:
            error = explain(result.code, result.err, f"restoring snapshot {wanted['label']} in place",
                            where=f"volume {place.volume_name}")  # fmt: skip
            raise Permanent(str(error), where=error.where, why=error.why, hints=["castle resume", back],
                            state="the files are part old, part new")  # fmt: skip
        found = fields_of(result.out, ["taken", "made"])
        taken = found["taken"]
        # A restore of what was rehearsed: byte for byte the same tree.
        if not isinstance(taken, dict) or taken["digest"] != wanted["digest"]:
            raise Refused(
                "the files in place are not the files that were rehearsed",
                where=f"volume {place.volume_name}",
                why="something wrote while they were restored",
                state="the files of the snapshot are there, and what was written beside",
                hints=["stop what writes there", back],
            )
        now = {"files": taken["files"], "bytes": taken["bytes"]}
        was = self.facts("before")["taken"]
        report = {self.layer: {"before": {"files": was["files"], "bytes": was["bytes"]}, "after": now, "same": None}}
        return Observation(REACHED, f"{summary(taken)}; back again: {back}", {"files": report, "back": back})

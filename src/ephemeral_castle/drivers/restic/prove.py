"""A backup that carries a marker and a manifest, and the proof that it can be restored and read."""

from __future__ import annotations

import json
from typing import Any

from ephemeral_castle.drivers.restic import access
from ephemeral_castle.drivers.restic.answers import Cause, cause_of, explain, fields_of, unix_time
from ephemeral_castle.drivers.restic.locks import Asks, Lock, stale
from ephemeral_castle.drivers.restic.part import Part
from ephemeral_castle.drivers.restic.steps import LONG
from ephemeral_castle.drivers.restic.survey import identity_of
from ephemeral_castle.errors import CastleError, Permanent, Refused, Transient
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.part import NOT_REACHED, REACHED
from ephemeral_castle.spi.world import Result

UNTOUCHED = "nothing was destroyed; the castle serves as before"
NAMED = 8  # differences that a message names


class TakeBackup(Part):
    """A snapshot under this run's key: a job, so that a resume finds it."""

    kind = "before"
    old = True

    async def observe(self) -> Observation:
        """Only the act knows; its job is found again by whoever asks."""
        return self.needless() or Observation(NOT_REACHED)

    def needless(self) -> Observation | None:
        """Waived for files that are gone."""
        return self.waived()

    @property
    def marker(self) -> str:
        """What only this run can have written."""
        return f"{self.ctx.run}-{self.kind}"

    async def act(self) -> Observation | None:
        """Backs up beside whatever writes; what moved meanwhile is named."""
        seen = await newest_object(self)
        taken = await self.take(again=False) | {"seen": seen}
        taken["seen_after"] = await newest_object(self)
        moved = len(taken["moved"])
        text = f"{taken['label']}: {summary(taken['taken'])}"
        return Observation(REACHED, text + (f"; {moved} changed meanwhile" if moved else ""), taken)

    async def take(self, *, again: bool) -> dict[str, Any]:
        """One snapshot; gives its facts.

        Args:
            again: a snapshot that was finished before does not count.

        Raises:
            CastleError: as restic's answer says.
        """
        place = self.place(old=self.old)
        result = await self._attempt(again=again)
        if cause_of(result.code, result.err) is Cause.LOCKED and await clear_locks(self):
            result = await self._attempt(again=True)
        if not result.ok:
            machine = await place.machine()
            raise explain(
                result.code, result.err, "backing up the files",
                where=f"volume {place.volume_name} on machine {machine.id}", state="no file was changed",
            )  # fmt: skip
        found = fields_of(result.out, ["before", "after", "taken", "moved", "said"])
        said, taken = found["said"], found["taken"]
        if not isinstance(said, dict) or not said.get("snapshot_id") or not isinstance(taken, dict):
            raise Permanent(
                "restic says that the backup is done, but names no snapshot",
                where=self.where(),
                why=result.last_words() or "it said nothing else",
                hints=["castle doctor", "castle resume"],
            )
        snapshot = str(said["snapshot_id"])
        return {
            "snapshot": snapshot,
            "label": snapshot[:8],
            "at": unix_time(str(said["backup_start"])),  # as the repository lists it
            "marker": self.marker,
            "taken": taken,
            "moved": list(found["moved"] or []),
            "before": found["before"],
            "after": found["after"],
            "added": said.get("data_added_packed", 0),
        }

    async def _attempt(self, *, again: bool) -> Result:
        place = self.place(old=self.old)
        tags = f"run={self.ctx.run},life={place.life},kind={self.kind}"
        files = await access.files(self.ctx, "writer", place.life)
        host = self.ctx.request.castle.name
        return await place.read(
            "backup", self.marker, "--host", host, "--tag", tags, files=files, key=f"backup-{self.kind}", again=again
        )


async def newest_object(part: Part, below: str = "") -> float:
    """When the newest object of the repository (or of a part of it) was stored, by the server's clock; 0 for none."""
    prefix = f"{access.repository(part.layer)}/{below}"
    return max([stat.modified async for stat in part.ctx.world.objects.list(prefix)], default=0.0)


def summary(taken: dict[str, Any]) -> str:
    """Counts in words."""
    return f"{taken['files']} files, {taken['bytes']} bytes"


async def clear_locks(part: Part) -> bool:
    """Takes away locks that an earlier run left; gives whether the way is free now.

    Raises:
        CastleError: the locks cannot be read.
    """
    result = await part.outside().work("locks")
    if not result.ok:
        raise explain(result.code, result.err, "reading the locks", where=part.where())
    found = [parse_lock(line) for line in result.out.splitlines() if line.strip()]
    asks = Asks(part.ctx.run, part.ctx.request.castle.name, str(part.ctx.world.computer["id"]),
                part.ctx.world.clock.now())  # fmt: skip
    judged = {lock.id: stale(lock, asks) for lock in found}
    live = [lock for lock in found if not judged[lock.id]]
    for lock in found:
        if why := judged[lock.id]:
            part.ctx.decided("unlock", f"{lock}: {why}", lock=lock.id)
            await part.ctx.intent("remove lock", lock=lock.id, host=lock.host)
            await part.ctx.world.objects.delete(f"{access.repository(part.layer)}/locks/{lock.id}")
    if live:
        raise Transient(
            f"the repository is locked: {live[0]}",
            where=part.where(),
            why="the lock is of this run, of a restic that castle did not start, or of a run on another computer that "
            "may still work: castle takes away its own only, and such a one after half an hour",
            state="nothing was changed",
            hints=[
                "wait until that restic has ended; if its computer is gone for good, by hand: restic unlock",
                "castle resume",
            ],
        )
    return True


def parse_lock(line: str) -> Lock:
    """`ID JSON`, as the script prints it."""
    ident, _, data = line.partition(" ")
    try:
        return Lock.parse(ident, json.loads(data))
    except (ValueError, AttributeError):
        return Lock(ident, "")


class Proof(Part):
    """The snapshot is restored outside the castle and read: marker, and every file as the manifest has it."""

    source = "backup"

    async def observe(self) -> Observation:
        """Waived where there is nothing, or a young proof holds."""
        gone = self.waived()
        if gone:
            return gone
        label = self.survey.get("proven_label")
        if label:
            text = f"snapshot {label} was proven {self.survey.get('proven_ago')} ago, and the repository is whole"
            return Observation(REACHED, waived=text, facts={"label": label})
        return Observation(NOT_REACHED)

    async def act(self) -> Observation | None:
        """Restores all of it, compares every digest, checks the repository."""
        backup = self.facts(self.source)
        label = str(backup["label"])
        outside = self.outside()
        self.ctx.progress(f"restoring {label} outside the castle")
        await outside.deliver({"moved": json.dumps(backup["moved"])})
        job = outside.job("proof", "proof", str(backup["snapshot"]), str(self.options.read_data), timeout=LONG)
        result = await job
        if not result.ok:
            error = explain(result.code, result.err, f"restoring snapshot {label} outside the castle",
                            where=self.where(), state=UNTOUCHED)  # fmt: skip
            raise error
        found = fields_of(result.out, ["taken", "differ", "marker"])
        if found["marker"] != backup["marker"]:
            raise self._refused(label, f"its marker is {found['marker']!r}, this run wrote {backup['marker']!r}")
        if found["differ"] != []:
            raise self._refused(label, named(found["differ"] or [["everything", "cannot be compared"]]))
        at = self.ctx.world.clock.now()
        proof = {"label": label, "snapshot": backup["snapshot"], "at": at, "run": self.ctx.run,
                 "snapshot_at": backup["at"], "seen": backup["seen_after"]}  # fmt: skip
        facts = {"label": label, "at": at, **found["taken"]}
        base = await lineage(self)
        text = f"{label} restored: {summary(found['taken'])}, marker read"
        return Observation(REACHED, text, {**facts, f"sealed:{self.layer}": {**base, "proof": proof}})

    def _refused(self, label: str, why: str) -> CastleError:
        return Permanent(
            f"snapshot {label} came back otherwise than it was backed up",
            where=self.where(),
            why=why,
            state=UNTOUCHED,
            hints=["castle backup --prove", "castle rebirth"],
        )


async def lineage(part: Part) -> dict[str, Any]:
    """What the record keeps of a treasure in every case."""
    identity = await identity_of(part)
    if identity is None:
        raise Refused(
            "the repository has vanished while this run worked with it",
            where=part.where(),
            why="its configuration object is gone",
            state=UNTOUCHED,
            hints=["castle doctor"],
        )
    return {"repository": identity, "path": part.where()}


def named(differences: list[list[str]]) -> str:
    """The first differences, in words."""
    shown = [f"{printable(path)} {what}" for path, what in differences[:NAMED]]
    more = len(differences) - NAMED
    return "; ".join(shown) + (f"; and {more} more" if more > 0 else "")


def printable(path: str) -> str:
    """A path for a message: one line, no bytes that a terminal would obey."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in path)

"""The cut: a last snapshot while nothing writes, read back, and a last look that nothing wrote after it."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from ephemeral_castle.drivers.restic import access
from ephemeral_castle.drivers.restic.answers import explain, fields_of
from ephemeral_castle.drivers.restic.part import Part
from ephemeral_castle.drivers.restic.prove import TakeBackup, lineage, named, summary
from ephemeral_castle.errors import Damaged, Refused
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.part import NOT_REACHED, REACHED

UNDONE = "nothing was destroyed; what was stopped is being started again"
AGAIN = "castle rebirth"
AT_ONCE = 4  # objects that are read back at the same time
STOP_IT = "stop what writes there, or give it to a `compose` layer of the castle, which stops it at the cut"


class Last(TakeBackup):
    """The snapshot that comes home: nothing may write while it is made, nor afterwards."""

    kind = "seal"
    action = "last"

    async def observe(self) -> Observation:
        """Whether the tree is still as this run's last snapshot has it."""
        gone = self.needless()
        if gone:
            return gone
        known = self.facts(self.action)
        if not known:
            return Observation(NOT_REACHED, "no last snapshot yet")
        if await self.place(old=True).stirring() != known["after"]:
            return Observation(NOT_REACHED, "something wrote since the last snapshot")
        return Observation(REACHED, str(known["label"]), known)

    async def act(self) -> Observation | None:
        """Takes it; the tree must be the same before and after."""
        # One that a former runner finished is not taken over: something may have written since.
        taken = await self.take(again=True)
        if taken["moved"] or taken["before"] != taken["after"]:
            raise stirred(self, [[path, "changed"] for path in taken["moved"]])
        return Observation(REACHED, f"{taken['label']}: {summary(taken['taken'])}, nothing stirred", taken)


def stirred(part: Part, differences: list[list[str]]) -> Refused:
    """Something still writes."""
    place = part.place(old=True)
    return Refused(
        "something still writes into the files after the cut",
        where=f"volume {place.volume_name} on machine {place.machine_name}",
        why=named(differences) if differences else "owner, mode or time of something in the tree changed",
        state=UNDONE,
        hints=[STOP_IT, f"castle {part.ctx.request.verb.value}"],
    )


class ReadBack(Part):
    """The snapshot is read from outside: its tree is the manifest's, and what it added is whole in the bucket."""

    async def observe(self) -> Observation:
        """Only the act knows."""
        return self.waived() or Observation(NOT_REACHED)

    async def act(self) -> Observation | None:
        """Lists the snapshot by restic, and reads every object that came since the last look by castle's own door."""
        last = self.facts("last")
        # What is read comes from the server's memory, and this step is not done again after a power cut.
        await self.ctx.world.settle()
        listing, objects = await asyncio.gather(self._listed(last), self._new_objects(last))
        return Observation(REACHED, f"{last['label']}: {listing} paths as in the manifest, {objects} new objects whole")

    async def _listed(self, last: Any) -> int:
        result = await self.outside().work("ls", str(last["snapshot"]))
        if not result.ok:
            raise explain(result.code, result.err, "reading the last snapshot back", where=self.where(), state=UNDONE)
        listed = fields_of(result.out, ["listed"])["listed"] or {}
        taken = last["taken"]
        if any(listed.get(key) != taken[key] for key in ("entries", "bytes", "outline")):
            raise Damaged(
                f"snapshot {last['label']} does not hold what was backed up",
                where=self.where(),
                why=f"it lists {listed.get('entries')} paths and {listed.get('bytes')} bytes, "
                f"the manifest has {taken['entries']} and {taken['bytes']}",
                state=UNDONE,
                hints=["castle doctor", AGAIN],
            )
        return int(listed["entries"])

    async def _new_objects(self, last: Any) -> int:
        """The name of each object is the SHA-256 of its content. What came ahead of the proof is not read again."""
        base = access.repository(self.layer)
        backup = self.facts("backup")
        seen = backup.get("seen_after") if "digest" in self.facts("proof") else self.survey.get("proven_seen")
        since = float(seen if seen is not None else backup.get("seen") or 0)
        names = [
            stat.key
            for folder in ("snapshots", "index", "data")
            async for stat in self.ctx.world.objects.list(f"{base}/{folder}/")
            if stat.modified >= since or stat.key.endswith(str(last["snapshot"]))
        ]
        if not any(name.endswith(str(last["snapshot"])) for name in names):
            raise Damaged(
                f"snapshot {last['label']} is not in the treasury", where=self.where(),
                why="restic reported it as stored", state=UNDONE, hints=["castle doctor", AGAIN],
            )  # fmt: skip
        turn = asyncio.Semaphore(AT_ONCE)

        async def whole(key: str) -> None:
            async with turn:
                found = await self.ctx.world.objects.get(key)
            name = key.rsplit("/", 1)[-1]
            if found is None or hashlib.sha256(found[0]).hexdigest() != name:
                raise Damaged(
                    f"object {name[:12]} of the repository is {'gone' if found is None else 'damaged'}",
                    where=f"{self.where()}, {key}", why="its content has another digest than its name",
                    state=UNDONE, hints=["castle doctor", AGAIN],
                )  # fmt: skip

        await asyncio.gather(*(whole(name) for name in names))
        return len(names)


class Quiet(Part):
    """The last look ahead of the destruction: nothing wrote since the snapshot."""

    async def observe(self) -> Observation:
        """On resume the look is made again: whoever was stopped may have been started by hand."""
        gone = self.waived()
        if gone:
            return gone
        if not self.facts("quiet"):
            return Observation(NOT_REACHED)
        return await self._look()

    async def act(self) -> Observation | None:
        """Compares with the look after the snapshot."""
        return await self._look()

    async def _look(self) -> Observation:
        last = self.facts("last")
        place = self.place(old=True)
        if await place.stirring() != last["after"]:
            raise stirred(self, [])
        taken = last["taken"]
        stays = {"at": last["at"]}
        seal = {
            "mark": {"snapshot": last["snapshot"], "digest": taken["digest"]},
            "label": last["label"],
            "marker": last["marker"],
            "files": taken["files"],
            "bytes": taken["bytes"],
            "at": last["at"],
            "run": self.ctx.run,
            "life": self.ctx.old_life,
            "stays": stays,
        }
        sealed = {**await lineage(self), **stays, "seal": seal}
        return Observation(REACHED, f"sealed into {last['label']}", {f"sealed:{self.layer}": sealed})

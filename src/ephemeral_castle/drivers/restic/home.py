"""Bringing the files home: a volume made, a snapshot restored, every file compared before anything uses it."""

from __future__ import annotations

from typing import Any

from ephemeral_castle.drivers.restic import access
from ephemeral_castle.drivers.restic.answers import Cause, cause_of, explain, fields_of
from ephemeral_castle.drivers.restic.part import PRESENT, Part
from ephemeral_castle.drivers.restic.place import VOLUMES
from ephemeral_castle.drivers.restic.prove import named, newest_object, summary
from ephemeral_castle.drivers.restic.survey import identity_of
from ephemeral_castle.errors import CastleError, Permanent, Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.part import NOT_REACHED, PARTIAL, REACHED
from ephemeral_castle.spi.world import Result

STANDS = "the new machines stand; the repository is untouched"
FOREIGN = 9  # exit status of our script: files lie there that castle did not restore


class Home(Part):
    """The volume of the new life: begun, or restored and equal to the seal."""

    async def observe(self) -> Observation:
        """Whether this run brought them home; a restore is never believed on sight of a volume alone."""
        plan = self.plan
        if plan == "standing":
            return Observation(REACHED, "the files stand", self._facts("standing", str(self.survey["made"])))
        known = self.facts("home")
        if known:
            volume = await self.place().volume()
            if volume is not None and volume.made == known[f"home:{self.layer}"]["made"]:
                return Observation(REACHED, "brought home by this run", known)
        if self.ctx.attempt > 1:
            return Observation(PARTIAL, "a restore may have been broken off")
        return Observation(NOT_REACHED, "no files on the new machine")

    @property
    def plan(self) -> str:
        """What the survey decided; a treasure of which this run took a last snapshot comes home from that."""
        plan = str(self.survey["plan"])
        return "restore" if plan == "seal" or self.facts("last").get("snapshot") else plan

    async def act(self) -> Observation | None:
        """Begins a repository, or restores the snapshot."""
        if self.plan in ("create", "begin"):
            return await self._begin()
        await self.ctx.intent("restore", layer=self.layer, life=self.ctx.life, snapshot=self.target)
        place = self.place()
        # Whatever a drill raises can only read.
        kind = "reader" if self.drill else "writer"
        files = await access.files(self.ctx, kind, self.ctx.life)
        self.ctx.progress(f"restoring snapshot {self.target[:8]}")
        result = await place.write("home", self.target, files=files, key="home")
        if not result.ok:
            raise await self._cause(result)
        return await self._compared(result)

    @property
    def drill(self) -> bool:
        """Whether the files come into a drill's castle: the living one is not touched, and the proof counts."""
        return self.ctx.request.verb is Verb.DRILL

    @property
    def target(self) -> str:
        """Id of the snapshot that comes home."""
        last = self.facts("last").get("snapshot")
        return str(last or self.survey.get("snapshot") or "")

    @property
    def seal(self) -> dict[str, Any]:
        """The seal of this run or of the record; empty after an unplanned death."""
        fresh = self.facts("quiet").get(f"sealed:{self.layer}", {}).get("seal")
        return dict(fresh or self.survey.get("seal") or {})

    async def _begin(self) -> Observation:
        """A first birth: repository and empty volume. What begins round standing files leaves these alone."""
        if await identity_of(self) is None:
            await self.ctx.intent("create repository", layer=self.layer, path=self.where())
            files = await access.files(self.ctx, "writer", self.ctx.life, create=True)
            made = await self.place().begin()
            result = await self.place().read("init", files=files, key="init", again=True, timeout=300)
            # Somebody may have been first; whose it is, the next look at it tells: it must open with our password.
            if not result.ok and await identity_of(self) is None:
                raise explain(result.code, result.err, "beginning the repository", where=self.where(), state=STANDS)
        else:
            made = await self.place().begin()
        facts = self._facts("created", made, identity=await identity_of(self))
        return Observation(REACHED, f"begun: {self.where()}", facts)

    def _facts(self, arrival: str, made: str, *, identity: str | None = None, **more: Any) -> dict[str, Any]:
        """What later steps and the record need."""
        born = {
            "repository": identity or self.survey.get("identity"),
            "path": self.where(),
            "machine": self.options.machine,
            "volume": self.options.volume,
            "made": made,
            "life": self.ctx.life,
            **more,
        }
        return {"arrival": arrival, f"home:{self.layer}": born}

    async def _compared(self, result: Result) -> Observation:
        """Invariant: what came home is what was sealed, path by path, digest by digest."""
        found = fields_of(result.out, ["taken", "differ", "before", "made", "sample"])
        taken, differ = found["taken"], found["differ"]
        if not isinstance(taken, dict) or not found["made"]:
            raise Permanent("the restore ended without an account of what it restored", why=result.last_words())
        wanted = self.seal.get("mark", {}).get("digest")
        if wanted and (taken["digest"] != wanted or differ):
            raise Refused(
                "the files that came home are not the files that were sealed",
                where=self.where(),
                why=named(differ) if differ else "the manifest in the snapshot is another one than the seal names",
                state="the new life serves nobody; the repository is untouched",
                hints=["castle logs", "compare by hand: castle restore --side"],
            )
        sealed_at = float(self.seal.get("at") or self.survey.get("snapshot_at") or 0.0)
        facts = self._facts("restored", str(found["made"]), at=sealed_at)
        facts |= self._report(taken, found["before"], differ, sealed=bool(wanted))
        facts["sample"] = found["sample"] or []  # for a probe that fetches files by name
        if self.drill and found["before"] is not None and not differ:
            facts[f"sealed:{self.layer}"] = {"proof": await self._proof()}
        return Observation(REACHED, f"{summary(taken)}, {'all as sealed' if wanted else facts['loss']['text']}", facts)

    async def _proof(self) -> dict[str, Any]:
        """What a drill has shown of this snapshot: all of it came back as its manifest has it."""
        at = self.ctx.world.clock.now()
        seen = await newest_object(self, f"snapshots/{self.target}")  # restic stores it behind all that it names
        return {"label": self.target[:8], "snapshot": self.target, "at": at, "run": self.ctx.run,
                "snapshot_at": self.survey["snapshot_at"], "seen": seen}  # fmt: skip

    def _report(self, taken: dict[str, Any], before: Any, differ: Any, *, sealed: bool) -> dict[str, Any]:
        """Files before and after, marker, loss: what the report shows."""
        after = {"files": taken["files"], "bytes": taken["bytes"]}
        was = {"files": before["files"], "bytes": before["bytes"]} if isinstance(before, dict) else None
        same = None if was is None else not differ
        files = {self.layer: {"before": was, "after": after, "same": same if sealed or same else None}}
        if sealed:
            text = "nothing: every sealed file is back"
            loss = {"rows": None, "seconds": 0.0, "bound": False, "text": text, "budget": self._limit}
            marker = {self.layer: {"id": self.seal.get("marker", ""), "found": True}}
            return {"files": files, "loss": loss, "markers": marker}
        return {"files": files, "loss": self._loss(differ)}

    @property
    def _limit(self) -> float | None:
        """Seconds of files that may be lost."""
        return self.options.limit(self.ctx.request.castle.budget.rpo)

    def _loss(self, differ: Any) -> dict[str, Any]:
        """An unplanned death: what was written since the snapshot is lost; its age bounds that."""
        age = max(0.0, self.ctx.started - float(self.survey["snapshot_at"]))
        budget = self._limit
        text = f"what was written in the {age:.0f} s between the snapshot and the command"
        if differ:
            text += f"; {len(differ)} files changed while it was made, and came back as it found them"
        if budget is not None and age > budget:
            self.ctx.diagnostic("warning", f"files of {self.layer}: at most {age:.0f} s are lost, over the budget of "
                                           f"{budget:g} s; back up more often")  # fmt: skip
        return {"rows": None, "seconds": age, "bound": True, "text": text, "budget": budget}

    async def _cause(self, result: Result) -> CastleError:
        place = self.place()
        machine = await place.machine()
        where = f"volume {place.volume_name} on machine {machine.id}"
        if result.code == FOREIGN:
            return Refused(
                "files lie where the snapshot belongs, and castle did not put them there",
                where=where,
                why="a restore would replace or delete them",
                state=f"{STANDS}, and so is the snapshot that belongs there",
                hints=[
                    f"look at them: {VOLUMES}/{place.volume_name}/_data, on the machine; copy what you want to keep",
                    f"then remove the volume: podman volume rm {place.volume_name}, on the machine",
                    "castle resume",
                ],
            )
        if cause_of(result.code, result.err) is Cause.NO_SPACE:
            free = await machine.transport.run(["df", "-k", "--output=avail", "/var/lib/containers"])
            left = free.out.split()[-1] if free.ok and free.out.split() else "0"
            return Permanent(
                "the disk under the new machines is full",
                where=where,
                why=f"{int(left) >> 10} MiB are free, and the restore of the files ended",
                state=f"{STANDS}; the files are incomplete, and nothing uses them",
                hints=["df -h", "castle resume, once there is room: what was restored already is kept"],
            )
        return explain(result.code, result.err, f"restoring snapshot {self.target[:8]}", where=where, state=STANDS)


def standing(part: Part) -> bool:
    """Whether this run found the files where they are and changed nothing."""
    return bool(part.facts("home").get("arrival") == "standing" and part.survey.get("presence") == PRESENT)

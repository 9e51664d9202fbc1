"""Backups of a life that stands: after it came home, by hand or by a timer; and what goes in time."""

from __future__ import annotations

from ephemeral_castle.drivers.restic import access
from ephemeral_castle.drivers.restic.answers import PATHS, Cause, cause_of, explain, fields_of
from ephemeral_castle.drivers.restic.home import standing
from ephemeral_castle.drivers.restic.outside import DISK
from ephemeral_castle.drivers.restic.part import Part
from ephemeral_castle.drivers.restic.prove import Proof, TakeBackup, clear_locks
from ephemeral_castle.drivers.restic.steps import LONG
from ephemeral_castle.errors import Permanent, Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.part import NOT_REACHED, REACHED


class BackupAfter(TakeBackup):
    """A snapshot of the new life: from now on it can die, too."""

    kind = "after"
    old = False

    def needless(self) -> Observation | None:
        """A raise that changed nothing needs no backup; files that it adopted may be in none."""
        if self.ctx.request.verb is Verb.RAISE and standing(self) and not self.survey.get("adopted"):
            return Observation(REACHED, waived="nothing was brought home")
        return None


class BackupNow(TakeBackup):
    """A snapshot by hand or by timer."""

    kind = "now"

    def needless(self) -> Observation | None:
        """Never."""
        if self.waived():
            raise Permanent("there are no files to back up", why=str(self.survey.get("reason")), hints=["castle raise"])
        seal = self.lineage.get("seal") or {}
        if seal.get("life") == self.ctx.old_life:
            raise Refused(
                "the castle is sealed",
                why="nothing may follow a seal: the next life would come from before it",
                state="nothing was changed",
                hints=["castle raise, to open it again"],
            )
        return None


class ProofNow(Proof):
    """The proof of a backup by hand."""

    source = "backup-now"


class Expire(Part):
    """Old snapshots go by the keeper's identity: the machines' own may not delete."""

    async def observe(self) -> Observation:
        """Only the act knows."""
        return Observation(NOT_REACHED)

    async def act(self) -> Observation | None:
        """Runs `forget --prune` outside the machines."""
        outside = self.outside()
        reader = await access.files(self.ctx, "reader", self.ctx.life, disk=DISK)
        keeper = await access.files(self.ctx, "keeper", self.ctx.life, disk=DISK)
        # An adopted repository may hold snapshots that castle did not make: these stay.
        own = ["--host", self.ctx.request.castle.name, *(part for path in PATHS for part in ("--path", path))]
        policy = [*own, *self.options.keep.arguments()]
        await outside.deliver(keeper)
        try:
            result = await outside.job("forget", "forget", *policy, timeout=LONG)
            if cause_of(result.code, result.err) is Cause.LOCKED and await clear_locks(self):
                result = await outside.job("forget", "forget", *policy, timeout=LONG)
        finally:
            await outside.deliver(reader)
        if not result.ok:
            raise explain(result.code, result.err, "forgetting old snapshots", where=self.where())
        groups = fields_of(result.out, ["forgot"])["forgot"] or []
        removed = sum(len(group.get("remove") or ()) for group in groups)
        kept = sum(len(group.get("keep") or ()) for group in groups)
        return Observation(REACHED, f"{removed} snapshots forgotten, {kept} stay", {"removed": removed, "kept": kept})

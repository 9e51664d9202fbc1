"""A look at both sides before anything is done: which files are here, what is in the repository, what follows."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.restic import access, refusals
from ephemeral_castle.drivers.restic.answers import Cause, cause_of, explain, parse_snapshots, pick
from ephemeral_castle.drivers.restic.decision import Go, Here, Intent, Plan, Recorded, Repo, Repository, decide
from ephemeral_castle.drivers.restic.decision import Place as Stands
from ephemeral_castle.drivers.restic.part import ABSENT, PRESENT, Part
from ephemeral_castle.drivers.restic.refusals import Refuse
from ephemeral_castle.errors import CastleError, Refused, Transient
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.part import NOT_REACHED, REACHED

KINDS = {Cause.DAMAGED: Repo.DAMAGED, Cause.UNREACHABLE: Repo.UNKNOWN, Cause.LOCKED: Repo.LOCKED}
SEALING = (Verb.REBIRTH, Verb.WIPE, Verb.SEAL)
CHECK = 3600.0  # seconds


async def identity_of(part: Part) -> str | None:
    """Digest of the repository's configuration object, or None when there is none.

    The object is written once and never again, so another digest is another repository.
    """
    found = await part.ctx.world.objects.get(f"{access.repository(part.layer)}/config")
    return None if found is None else hashlib.sha256(found[0]).hexdigest()


async def is_empty(part: Part) -> bool:
    """Whether nothing at all lies under the repository's prefix."""
    async for _ in part.ctx.world.objects.list(access.repository(part.layer) + "/"):
        return False
    return True


async def repository(part: Part) -> Repository:
    """The repository as castle lists it and as restic reads it, from outside the machines."""
    path = part.where()
    identity = await identity_of(part)
    if identity is None:
        if await is_empty(part):
            return Repository(path, Repo.NOTHING)
        return Repository(path, Repo.ODD, why="there are objects, but its `config` is missing")
    result = await part.outside().work("snapshots")
    if not result.ok:
        error = explain(result.code, result.err, "reading the snapshots")
        kind = KINDS.get(cause_of(result.code, result.err), Repo.CLOSED)
        kind = Repo.UNKNOWN if isinstance(error, Transient) else kind
        return Repository(
            path, kind, identity, why=error.why, mend=tuple(hint.replace("LAYER", part.layer) for hint in error.hints)
        )
    snapshots = parse_snapshots(result.out)
    return Repository(path, Repo.READY if snapshots else Repo.EMPTY, identity, snapshots)


def recorded(part: Part) -> Recorded | None:
    """What the record says about these files, or None before their first life."""
    lineage = part.lineage
    if not lineage.get("repository"):
        return None
    seal = lineage.get("seal") or {}
    # A seal ends a life. While a later life stands (or stood), the history goes on behind it.
    sealed = bool(seal) and seal["life"] == part.ctx.record.life
    at = max(float(lineage.get("at") or 0), float((lineage.get("proof") or {}).get("snapshot_at") or 0))
    return Recorded(
        identity=str(lineage["repository"]),
        path=str(lineage.get("path", part.where())),
        sealed=str(seal["mark"]["snapshot"]) if sealed else "",
        known_at=at,
    )


class Survey(Part):
    """Decides, by looking only: seal or not, create, restore, or stand; refuses what cannot be decided."""

    async def observe(self) -> Observation:
        """A survey holds for the run that made it."""
        return Observation(NOT_REACHED)

    async def act(self) -> Observation | None:
        """Looks at repository and volume, and decides."""
        if self.ctx.request.verb is Verb.RAISE and self._stands_here() and recorded(self) is not None:
            facts = await self._standing()
        else:
            repo, stands = await asyncio.gather(repository(self), self._stands())
            joins = self.ctx.request.verb is Verb.RAISE and self._stands_here()
            stands = dataclasses.replace(stands, life=joins)
            facts = await self._decided(repo, stands)
        self._nothing_to_choose(facts)
        reason = str(facts.get("reason", ""))
        shown = {key: value for key, value in facts.items() if key not in ("seal", "reason")}
        word = str(facts.get("plan") or facts["presence"])
        standing = word == "seal" and self.ctx.request.verb not in SEALING
        self.ctx.decided("standing" if standing else word, reason, **shown)
        return Observation(REACHED, reason, facts)

    def _nothing_to_choose(self, facts: Mapping[str, Any]) -> None:
        """Refuses words that say what comes home where nothing does: they would be taken for heard."""
        request = self.ctx.request
        words = [word for word, used in (("--new", request.new), ("--set", request.label_of(self.layer))) if used]
        chooses = facts["plan"] in ("create", "begin", "restore") or request.verb not in (Verb.REBIRTH, Verb.RAISE)
        if words and not chooses:
            raise refusals.nothing_to_choose(request.verb.value, words, self.where()).error(self.where())

    def _stands_here(self) -> bool:
        record = self.ctx.record
        return bool(record.site) and record.computer == str(self.ctx.world.computer["id"])

    async def _standing(self) -> dict[str, Any]:
        """`raise` on a life that stands: its files and its repository are there, and are left alone."""
        identity, place = await asyncio.gather(identity_of(self), self._stands())
        known = recorded(self)
        if place.here is not Here.PRESENT and not (place.here is Here.OTHER and self.ctx.request.adopt):
            raise Refused(
                f"life {self.ctx.record.life} stands in the record, but not its files",
                where=self.place(old=True).volume_name,
                why=f"{place.why}; raising it again would put an empty tree where files should be",
                state="nothing was changed",
                hints=[
                    "if what is there now is right: castle raise --adopt",
                    "castle rebirth --abandon-data, to bring the newest snapshot home into a new life",
                ],
            )
        kept = known.identity if known is not None else identity
        if identity != kept:
            # The services of a life go on without backups; only its end would need them.
            text = f"the repository at {self.where()} {'is gone' if identity is None else 'is another one'}"
            self.ctx.diagnostic("error", f"{text}: the files are in no backup now; see `castle doctor`")
        volume = await self.place(old=True).volume()
        made = volume.made if volume is not None else ""
        return {"plan": "standing", "presence": PRESENT, "identity": kept, "made": made,
                "adopted": place.here is Here.OTHER,
                "reason": f"life {self.ctx.record.life} stands here"}  # fmt: skip

    async def _stands(self) -> Stands:
        """The old files: here, proven absent, another volume, or not to be seen."""
        record = self.ctx.record
        if not record.site:
            return Stands(Here.ABSENT, "nothing stands: the castle was wiped, or never raised")
        if not self._stands_here():
            return Stands(Here.UNKNOWN, "the record says that they stood on another computer: looking here is no proof")
        listed = self.facts_of_ground().get("volumes")
        if listed is None:
            return Stands(Here.UNKNOWN, "no layer of the ground has listed what stands of the old life")
        if not listed:
            return Stands(Here.ABSENT, "neither the machines nor their volumes are listed where they stood")
        place = self.place(old=True)
        try:
            volume = await place.volume()
        except CastleError as error:
            return Stands(Here.UNKNOWN, f"machine `{place.machine_name}` does not tell: {error.why or error}")
        if volume is None:
            return Stands(Here.ABSENT, f"machine `{place.machine_name}` is there, volume `{place.volume_name}` is not")
        made = str(self.lineage.get("made") or "")
        if made and volume.made != made:
            return Stands(
                Here.OTHER, f"volume `{place.volume_name}` was made {volume.made}, castle knows one of {made}"
            )
        return Stands(Here.PRESENT, f"volume `{place.volume_name}` stands on machine `{place.machine_name}`")

    async def _decided(self, repo: Repository, stands: Stands) -> dict[str, Any]:
        request = self.ctx.request
        intent = Intent(
            new=request.new and request.verb is Verb.RAISE,
            adopt=request.adopt,
            source_lost=request.source_lost,
            abandon_data=request.abandon_data,
            label=request.label_of(self.layer),
        )
        decision = decide(stands, repo, recorded(self), intent)
        if isinstance(decision, Refuse):
            raise decision.error(self.where())
        for note in decision.notes:
            self.ctx.diagnostic("warning", note)
        facts = await self._facts(decision, repo)
        if request.verb is Verb.RAISE and decision.plan is Plan.SEAL:
            # A raise ends no life: adopted files stay where they are, and a snapshot of them follows.
            volume = await self.place(old=True).volume()
            facts |= {"plan": "standing", "made": volume.made if volume is not None else "", "adopted": True}
        return facts

    async def _facts(self, go: Go, repo: Repository) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "plan": go.plan.value,
            "presence": PRESENT if go.plan in (Plan.SEAL, Plan.BEGIN) else ABSENT,
            "reason": go.reason,
            "identity": repo.identity,
            "loss": go.loss,
        }
        if go.plan is Plan.BEGIN:
            facts["plan"] = "begin"
        if go.snapshot is not None:
            found = go.snapshot
            facts |= {"snapshot": found.id, "snapshot_at": found.time, "whole": found.whole}
            facts["seal"] = self.lineage.get("seal") if go.sealed else None
        if go.plan is Plan.SEAL:
            facts |= await self._young_proof(repo)
            facts["locks"] = await self._locks()
        return facts

    async def _locks(self) -> list[str]:
        """Names of lock objects; they are judged when something is about to write."""
        prefix = access.repository(self.layer) + "/locks/"
        return [stat.key.rsplit("/", 1)[-1] async for stat in self.ctx.world.objects.list(prefix)]

    async def _young_proof(self, repo: Repository) -> dict[str, Any]:
        """A proof younger than `proof.max_age` of a snapshot that is still there, in a repository that is whole."""
        proof: Mapping[str, Any] = self.lineage.get("proof") or {}
        request = self.ctx.request
        age = self.ctx.world.clock.now() - float(proof.get("at", 0))
        snapshot = pick(repo.snapshots, str(proof.get("snapshot", "")))
        seen = proof.get("seen")  # what was stored later was in no proof, and is read back at the seal
        if (
            snapshot is None
            or seen is None
            or age > request.castle.proof_max_age
            or request.prove
            or request.verb not in SEALING
        ):
            return {}
        checked = await self.outside().work("check", timeout=CHECK)
        if not checked.ok:
            error = explain(checked.code, checked.err, "checking the repository")
            if isinstance(error, Transient):
                raise error
            text = f"the proof of snapshot {snapshot.label} does not hold any more: {error.why}; it is proven anew"
            self.ctx.diagnostic("warning", text)
            return {}
        return {"proven": snapshot.id, "proven_label": snapshot.label, "proven_ago": f"{age:.0f} s",
                "proven_seen": float(seen)}  # fmt: skip

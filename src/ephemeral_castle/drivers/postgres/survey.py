"""A look at both sides before anything is done: what is here, what is in the repository, and what follows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.postgres.digests import open_sessions
from ephemeral_castle.drivers.postgres.part import PRESENT, Part
from ephemeral_castle.drivers.postgres.prove import control_outside, repository
from ephemeral_castle.drivers.postgres.sides import followed, odd_one, old_treasure, recorded, repo_state
from ephemeral_castle.drivers.postgres.whereabouts import elsewhere, folder
from ephemeral_castle.errors import CastleError, Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Observation
from ephemeral_castle.postgres import cadence, datadir, marker, sql
from ephemeral_castle.postgres.decision import decide
from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.pgbackrest import RepoInfo
from ephemeral_castle.postgres.presence import NoSeal, RefuseSeal, decide_seal
from ephemeral_castle.postgres.states import Absent, Condition, Create, HalfRestored, Intent, Lineage, Refuse, Restore
from ephemeral_castle.spi.part import NOT_REACHED, REACHED

SEALING = (Verb.REBIRTH, Verb.WIPE, Verb.SEAL)
RETURNING = (Verb.REBIRTH, Verb.RAISE, Verb.DRILL)


class Survey(Part):
    """Decides, by looking only: seal or not, create, restore, or stand; refuses what cannot be decided."""

    async def observe(self) -> Observation:
        """A survey holds for the run that made it."""
        return Observation(NOT_REACHED)

    async def act(self) -> Observation | None:
        """Looks at repository and database, and decides."""
        info, _ = await asyncio.gather(repository(self), self._wake())
        await self._odd(info, self.facts("revive").get("odd"))
        if (taken := await self.taken_over(info)) is not None:
            facts = taken
        elif self.ctx.request.verb is Verb.RAISE and self._stands_here():
            facts = await self._standing(info)
        else:
            facts = await self._presence(info)
            if facts["presence"] != PRESENT and self.ctx.request.verb in RETURNING:
                found = await self._returning(info)
                facts |= found | {"reason": f"{facts['reason']}; {found['reason']}"}
        if facts["presence"] == PRESENT and self.ctx.request.verb in (Verb.REBIRTH, Verb.RAISE):
            self._nothing_to_choose()
        reason = str(facts.get("reason", ""))
        shown = {key: value for key, value in facts.items() if key not in ("seal", "reason")}
        self.ctx.decided(self._word(facts), reason, **shown)
        return Observation(REACHED, reason, facts)

    async def taken_over(self, info: RepoInfo) -> dict[str, Any] | None:
        """What a raise finds that takes a living database over; None where there is none to be taken."""
        del info
        return None

    def _word(self, facts: Mapping[str, Any]) -> str:
        """The decision in one word. What stands is restored only after its end, and by two verbs."""
        if facts["presence"] == PRESENT:
            return "seal" if self.ctx.request.verb in SEALING else "standing"
        return str(facts.get("plan") or facts["presence"])

    def _nothing_to_choose(self) -> None:
        """Refuses words that say what is to be brought home where nothing is: they would be taken for heard."""
        request = self.ctx.request
        label = request.label_of(self.layer)
        words = {"--new": request.new, "--set": label, "--accept-loss-after": request.accept_loss_after}
        said = [word for word, used in words.items() if used]
        if not said:
            return
        rebirth = request.verb is Verb.REBIRTH
        fate = "is here and will be sealed, and comes back as it was at the cut" if rebirth else "is here and stands"
        hint = f"castle restore --set {self.layer}=LABEL, to replace it by an older backup"
        raise Refused(
            f"the database {fate}: {' and '.join(said)} would choose nothing",
            where=self._where(),
            why="these words say what is brought home when no database is left here",
            state="nothing was changed",
            hints=[
                *([hint] if label else []),
                f"castle {request.verb.value}, without {' and '.join(said)}",
            ],
        )

    async def _wake(self) -> None:
        """Opens the first session beside the look at the repository; whether it answers is judged later."""
        if self.facts("revive").get("presence") == PRESENT:
            with contextlib.suppress(CastleError):
                await self.session(old=True)

    def _stands_here(self) -> bool:
        record = self.ctx.record
        return bool(record.site) and record.computer == str(self.ctx.world.computer["id"])

    async def _odd(self, info: RepoInfo, odd: dict[str, Any] | None) -> None:
        """Refuses what lies in the database's place and is not the recorded one; no server was started on it.

        An incomplete directory of ours can be given up by word: all that was archived lies in the treasury.
        """
        if odd is None:
            return
        cluster = datadir.from_json(odd)
        if isinstance(cluster, HalfRestored) and self.ctx.request.abandon_data:
            return
        known = recorded(self)
        intent = Intent(own_timelines=frozenset(self._announced()))
        decision = decide(cluster, await repo_state(self, info, known, intent), known, intent)
        if isinstance(decision, Refuse):
            raise decision.error(self._where())
        raise Refused(
            "what lies in the database's place is not the recorded one",
            where=self._where(),
            why=f"{cluster}, and the record has {known}",
            state="nothing was changed; no server was started on it",
            hints=["castle status"],
        )

    async def _standing(self, info: RepoInfo) -> dict[str, Any]:
        """`raise` on a life that stands: start what is stopped; never a new database over lost data."""
        away = await elsewhere(self.ctx)
        if away:
            raise Refused(
                f"database `{self.layer}` stands in another cluster",
                where=self._where(),
                why=f"{away}: looking here proves nothing",
                state="nothing was changed, here or there",
                hints=[
                    "run it with the site and the context of the cluster where it stands",
                    "if that cluster is lost for good: castle rebirth --source-lost",
                ],
            )
        there = await self.place(old=True).standing() if await self.listed() else None
        if there is not None and there.cluster != Absent():
            await self._odd(info, odd_one(self, there.cluster))
        else:
            raise Refused(
                f"life {self.ctx.record.life} stands in the record, but its machines and volumes are gone",
                why="raising it again would put an empty database where data should be",
                state="nothing was changed",
                hints=["castle rebirth, to bring the data home into a new life"],
            )
        return {"plan": "standing", "presence": PRESENT, "reason": f"life {self.ctx.record.life} stands here"}

    async def _presence(self, info: RepoInfo) -> dict[str, Any]:
        """The old treasure: present, proven absent, or unknown; never assumed."""
        request = self.ctx.request
        if self.ctx.request.verb is Verb.DRILL:
            return {"presence": "absent", "reason": "a drill brings back what lies in the treasury"}
        if self.ctx.request.verb is Verb.RAISE and not self.ctx.record.site:
            return {"presence": "absent", "reason": "nothing stands: the castle was wiped, or never raised"}
        old = await old_treasure(self)
        verdict = decide_seal(
            old, source_lost=request.source_lost, abandon_data=request.abandon_data, verb=request.verb.value
        )
        if isinstance(verdict, RefuseSeal):
            raise verdict.error(self._where())
        if isinstance(verdict, NoSeal):
            return {"presence": "absent", "how": verdict.presence.value, "reason": verdict.reason, "loss": verdict.loss}
        for note in verdict.notes:
            self.ctx.diagnostic("info", note)
        return await self._living(info) | {"reason": verdict.reason}

    async def _living(self, info: RepoInfo) -> dict[str, Any]:
        """The database stands: its identity, the proof that is young enough, the sessions that the seal needs."""
        system_id = await self._agrees(info)
        facts: dict[str, Any] = {"presence": PRESENT, "system_id": system_id, "plan": "restore"}
        request = self.ctx.request
        if request.verb is Verb.BACKUP:
            now, every = self.ctx.world.clock.now(), self.options.full_every
            facts["kind"], facts["kind_because"] = cadence.kind_of(info, now, every, asked=request.full)
        rewind = request.verb is Verb.RESTORE and not request.side
        if request.verb in SEALING or rewind:
            databases, _, _ = await asyncio.gather(
                open_sessions(self, old=True), control_outside(self), self._greet_pooler()
            )
            kept = rewind and not self.layout.reborn  # its volume stays, so nothing has to be proven for its end
            facts |= {"databases": databases, **(self._newest(info) if kept else await self._young_proof(info))}
        return facts

    async def _agrees(self, info: RepoInfo) -> str:
        """Database and repository are of one history, and the repository can be read; gives the system id.

        Raises:
            Refused: they are not, or it is damaged or closed to us. Unreachable: it does not answer.
        """
        session = await self.session(old=True)
        mark = await session.json(sql.MARK)
        known = recorded(self)
        state = await repo_state(self, info, known)
        marked = (await session.json(marker.SCHEMA_STATE))["marked"]
        newest = await session.json(marker.NEWEST_LIFE) if marked else None
        life = int(newest["life"]) if newest else None
        stands = Lineage(int(mark["system_id"]), int(mark["timeline"]), Condition.RUNNING, generation=life)
        decision = decide(
            stands, state, known, Intent(adopt=self.ctx.request.adopt, own_timelines=frozenset(self._announced()))
        )
        if isinstance(decision, Refuse):
            raise decision.error(self._where())
        return str(mark["system_id"])

    def _announced(self) -> list[int]:
        """The timeline that a run of ours announced before it promoted, and did not live to record."""
        arriving = self.lineage.get("arriving") or {}
        return [int(arriving["timeline"])] if arriving else []

    async def _greet_pooler(self) -> None:
        if not self.layout.console:
            return
        try:
            await self.desk.pooler(self.ctx, old=True)
        except CastleError as error:
            self.ctx.diagnostic("warning", f"PgBouncer does not answer: {error}")

    def _newest(self, info: RepoInfo) -> dict[str, Any]:
        """The backup from which the state of now stays within reach after a restore in place."""
        newest = info.newest()
        if newest is None:
            raise Refused(
                "there is no backup in the treasury",
                where=self._where(),
                why="what stands now could not be brought back after a restore in place",
                state="nothing was changed",
                hints=["castle backup", "castle restore --side"],
            )
        return {"proven_label": newest.label, "proven_archive_start": newest.archive_start}

    async def _young_proof(self, info: RepoInfo) -> dict[str, Any]:
        """A proof younger than `proof.max_age` of a backup that is still there, with its history unbroken so far."""
        proof = self.lineage.get("proof") or {}
        age = self.ctx.world.clock.now() - float(proof.get("at", 0))
        backup = info.backup(str(proof.get("label", "")))
        young = age <= self.ctx.request.castle.proof_max_age and not self.ctx.request.prove
        if backup is None or backup.archive_start is None or not young:
            return {}
        try:
            since = await followed(self, info, backup.archive_start)
            hole = since.missing
        except ValueError as error:
            hole = str(error)
        if hole:
            text = f"the proof of backup {backup.label} does not hold any more: the WAL behind it breaks off at {hole}"
            self.ctx.diagnostic("warning", f"{text}; another backup is taken and proven")
            return {}
        facts = {"proven_label": backup.label, "proven_archive_start": backup.archive_start}
        return {**facts, "proven_ago": f"{age:.0f} s"}

    async def _returning(self, info: RepoInfo) -> dict[str, Any]:
        """Nothing is left here: create, or restore to the last seal or the end of the history."""
        request = self.ctx.request
        after = request.accept_loss_after
        intent = Intent(
            new=request.new,
            adopt=request.adopt,
            set_label=request.label_of(self.layer),
            accept_loss_after=Lsn.parse(after) if after else None,
            own_timelines=frozenset(self._announced()),
        )
        known = recorded(self)
        state = await repo_state(self, info, known, intent)
        decision = decide(Absent(), state, known, intent)
        if isinstance(decision, Refuse):
            raise decision.error(self._where())
        if isinstance(decision, Create):
            return {"plan": "create", "reason": decision.reason}
        if not isinstance(decision, Restore):
            raise Refused(
                f"nothing stands here, yet it was to be resumed: {decision.reason}", state="nothing was changed"
            )
        for note in decision.notes:
            self.ctx.diagnostic("warning", note)
        seal = self.lineage.get("seal") if known is not None and known.sealed else None
        target = {"lsn": str(decision.target), "timeline": decision.timeline, "open": seal is None}
        return {"plan": "restore", "label": decision.label, "target": target, "seal": seal, "reason": decision.reason}

    def _where(self) -> str:
        access = self.ctx.world.access
        return f"s3://{access.bucket}/{access.prefix}/{folder(self.ctx.layer)}, stanza {self.layout.stanza}"

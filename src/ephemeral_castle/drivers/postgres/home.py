"""Bringing the data home: create, restore or resume, as the decision says; promote; prove while fenced."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.postgres.birth import provision
from ephemeral_castle.drivers.postgres.configuration import writer_files
from ephemeral_castle.drivers.postgres.digests import open_sessions, take
from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.drivers.postgres.place import ABSENT, RUNNING
from ephemeral_castle.errors import CastleError, Permanent, Refused, Unreachable
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Observation
from ephemeral_castle.postgres import marker, sql
from ephemeral_castle.postgres.digest import digest_from_json
from ephemeral_castle.postgres.exits import explain
from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.proof import compare, compare_inventory, compare_sequences, loss_bound
from ephemeral_castle.postgres.segments import Segment
from ephemeral_castle.spi.part import NOT_REACHED, PARTIAL, REACHED

POLL = 0.01
STANDS = "the new machines stand; the backups are untouched"


class Home(Part):
    """The data directory of the new life: born, or restored as a standby that has replayed to its target."""

    async def observe(self) -> Observation:
        """What the container on the machine of this life is doing."""
        if self._untouched():
            return Observation(NOT_REACHED, "the machine was made by this run a moment ago")
        state = await self.place().state()
        if state == ABSENT:
            return Observation(NOT_REACHED, "no database on the new machine")
        if self.survey.get("plan") == "standing":
            if state == RUNNING:
                return Observation(REACHED, "the database runs", {"arrival": "standing"})
            return Observation(PARTIAL, f"it is {state}")
        if state != RUNNING:
            return Observation(PARTIAL, f"it is {state}")
        return await self._arrived()

    def _untouched(self) -> bool:
        """Whether nothing can be there: this run made the machine, and this step was never begun."""
        return self.ctx.attempt == 1 and self.survey["plan"] != "standing"

    async def _arrived(self) -> Observation:
        """The container runs: has it come to the target?"""
        plan = str(self.survey["plan"])
        session = await self.session()
        replay = await session.json(sql.REPLAY)
        if plan == "create":
            there = await session.json(marker.SCHEMA_STATE)
            return Observation(REACHED if there["marked"] else NOT_REACHED, "", {"arrival": "created"})
        if not replay["in_recovery"]:
            return Observation(REACHED, "it accepts writes already", {"arrival": "restored", "promoted": True})
        if self._reached(replay["replayed"], 0.0):  # the end of an open archive is only seen by waiting: see _follow
            return self._restored(replay["replayed"])
        return Observation(NOT_REACHED, f"replayed to {replay['replayed']} of {self.target()['lsn']}")

    async def act(self) -> Observation | None:
        """Starts the container with its order; opens the sessions that wait inside; follows the replay."""
        plan = str(self.survey["plan"])
        place = self.place()
        create = plan == "create"
        if plan == "standing":
            await place.start(await writer_files(self, self.ctx.life), ["serve"])
            await self.session()
            return None
        if self._untouched() or await place.state() != RUNNING:
            await self.ctx.intent("create" if create else "restore", layer=self.layer, life=self.ctx.life)
            files = await writer_files(self, self.ctx.life, create=create, ahead=self._long_replay())
            await place.start(files, self._order(plan))
        if create:
            await provision(self)
            return Observation(REACHED, "born", {"arrival": "created"})
        try:
            return self._restored(await self._follow())
        except Unreachable as error:
            raise await self._cause(error) from error

    def _restored(self, replayed: str) -> Observation:
        timeline = self.target().get("timeline")
        facts: dict[str, Any] = {"arrival": "restored"}
        if timeline:
            facts[f"arriving:{self.layer}"] = {"timeline": int(timeline) + 1, "life": self.ctx.life}
        return Observation(REACHED, f"replayed to {replayed}", facts)

    def _long_replay(self) -> bool:
        """Whether segments are worth fetching ahead: it pays for a long replay, and costs 0.4 s at the promotion."""
        start = self.start_from("archive_start")
        end = self.target().get("segment") if self.survey["plan"] == "restore" else None
        if not start or not end:
            return bool(self.survey["plan"] == "restore")
        return Segment.parse(str(end)).number - Segment.parse(str(start)).number > LONG_REPLAY

    def _order(self, plan: str) -> list[str]:
        if plan == "create":
            return ["birth"]
        label = str(self.start_from("label") or self.survey["label"])
        timeline = self.target().get("timeline")
        # Without --delta a directory that is not empty is refused; what an interrupted restore left is gone on with.
        again = [] if self._untouched() else ["--delta"]
        order = ["restore", "--repo=1", "--type=standby", *again, f"--set={label}"]
        return [*order, f"--target-timeline={timeline}"] if timeline else order

    async def _cause(self, error: Unreachable) -> CastleError:
        """Why the restore ended, from what it left on the machine; a session that breaks off only knows that it did."""
        place = self.place()
        if await place.state() == RUNNING:
            return error
        code, said, free = await place.last_words()
        if free < LEAST_ROOM:
            return Permanent(
                "the disk under the new machines is full",
                why=f"{free >> 20} MiB are free, and the restore of the database ended",
                state=f"{STANDS}; the database is incomplete and cannot start",
                hints=["df -h", "castle resume, once there is room: what was restored already is kept"],
            )
        return explain(code, said, "restore") if code else error

    async def _follow(self) -> str:
        """Waits inside open sessions until replay reaches the target; gives where it stands.

        A standby waits at a hole instead of taking it for the end, so what does not arrive is told, not lost. The end
        of an archive is not always the end of a record: there it is enough that nothing moves inside the last segment.
        """
        databases = self.survey.get("databases")
        session, _ = await asyncio.gather(self.session(), open_sessions(self, old=False, databases=databases))
        clock = self.ctx.world.clock
        changed, last = clock.monotonic(), ""
        while True:
            replay = await session.json(sql.REPLAY)
            still = clock.monotonic() - changed
            if not replay["in_recovery"] or self._reached(replay["replayed"], still):
                return str(replay["replayed"])
            if replay["replayed"] != last:
                changed, last = clock.monotonic(), str(replay["replayed"])
                self.ctx.progress(f"replayed to {last} of {self.target()['lsn']}")
            if still > STUCK:
                raise Permanent(
                    f"the replay stands still at {last}, {self.target()['lsn']} is needed",
                    why="the WAL behind it is missing or cannot be read",
                    state=f"{STANDS}; the database was not promoted",
                    hints=["castle doctor", "castle resume, once the missing segment is back"],
                )
            await clock.sleep(POLL)

    def _reached(self, replayed: str | None, still: float) -> bool:
        target = self.target()
        wanted = Lsn.parse(str(target["lsn"]))
        if sql.reached(replayed, wanted):
            return True
        if not target.get("open") or replayed is None or still < OPEN_STILL:
            return False
        return Lsn.parse(replayed).value > wanted.value - SEGMENT

    def target(self) -> Mapping[str, Any]:
        """Where replay must come: the mark of this run's seal, else what the survey found."""
        found: Mapping[str, Any] = self.facts("mark").get("mark") or self.survey["target"]
        return found


SEGMENT = 16 << 20
LEAST_ROOM = 2 * SEGMENT  # bytes; below it PostgreSQL cannot even write its next segment
LONG_REPLAY = 8  # segments
OPEN_STILL = 2.0  # seconds without progress inside the last segment of an open archive
STUCK = 60.0  # seconds without progress of the replay


class Promote(Part):
    """The standby becomes the primary of a new timeline, and its history stands in the archive."""

    async def observe(self) -> Observation:
        """Whether it accepts writes and its history was archived."""
        if self.arrived.get("arrival") != "restored":
            return Observation(REACHED, waived="nothing was restored")
        session = await self.session(name="c")
        if (await session.json(sql.REPLAY))["in_recovery"]:
            return Observation(NOT_REACHED, "standby")
        timeline = int(await session.value(sql.TIMELINE))
        if self.ctx.request.verb is Verb.DRILL:
            return Observation(REACHED, f"timeline {timeline}, archived nowhere", {"timeline": timeline})
        status = await session.json(sql.history_status(timeline))
        if not status["done"]:
            return Observation(PARTIAL, f"history of timeline {timeline} not archived yet")
        facts = {"timeline": timeline, f"home:{self.layer}": {"timeline": timeline}}
        return Observation(REACHED, f"timeline {timeline}, history archived", facts)

    async def act(self) -> Observation | None:
        """Promotes once; then waits for the archiver."""
        session = await self.session(name="c")
        if (await session.json(sql.REPLAY))["in_recovery"] and await session.value(sql.promote(60)) != "t":
            raise Unreachable("the database was told to promote and did not within 60 s", state=STANDS)
        clock = self.ctx.world.clock
        while True:
            seen = await self.observe()
            if seen.state is REACHED:
                return seen
            await clock.sleep(POLL)


class DataProof(Part):
    """Every table, sequence, role and marker equals the seal, while writers are still fenced out."""

    async def observe(self) -> Observation:
        """Waived where there is no seal to compare with."""
        arrival = self.facts("home").get("arrival")
        if arrival != "restored":
            return Observation(REACHED, waived="nothing was restored")
        return Observation(NOT_REACHED)

    async def act(self) -> Observation | None:
        """Takes the digest again and compares."""
        seal = self.survey.get("seal") or self.facts("stop").get(f"sealed:{self.layer}", {}).get("seal")
        found = await take(self, old=False)
        if not seal:
            return await self._without_seal(found)
        session = await self.session()
        markers = await session.json(marker.find_markers([seal["marker"]]))
        if not markers:
            raise _differs("the marker of the cut did not come back", [str(seal["marker"])])
        wanted: dict[str, Any] = seal["digest"]
        differences = compare(digest_from_json(wanted["tables"]), digest_from_json(found["tables"]))
        differences += others(wanted["others"], found["others"])
        if differences:
            raise _differs("what came back is not what was sealed", differences)
        text = f"{found['rows']} rows in {len(found['tables'])} tables, all as sealed"
        facts = {
            "tables": _tables(wanted, found),
            "markers": {"B": {"id": seal["marker"], "found": True}},
            "rows": found["rows"],
            "excluded": found["excluded"],
            "loss": {"rows": 0, "seconds": 0.0, "bound": False, "text": "nothing: every sealed row is back"},
        }
        return Observation(REACHED, text, facts)

    async def _without_seal(self, found: dict[str, Any]) -> Observation:
        """An unplanned death: no digest of before exists; the loss is bounded by the heartbeat."""
        session = await self.session()
        # An adopted database has no tables of castle's yet, and in recovery none can be made.
        marked = (await session.json(marker.SCHEMA_STATE))["marked"]
        beat = await session.json(marker.LAST_BEAT) if marked else None
        seen = self.survey.get("last_sign_of_life")
        bound = loss_bound(
            heartbeat_at=None if beat is None else float(beat["at"]),
            last_sign_of_life=None if seen is None else float(seen),
            command_at=self.ctx.started,
            rpo=self.ctx.request.castle.budget.rpo,
        )
        if bound.within is False:
            self.ctx.diagnostic("warning", bound.text)
        text = bound.text
        tables = {name: {"before": None, "after": rows, "same": None} for name, rows in _rows(found).items()}
        loss = {"rows": None, "seconds": bound.seconds, "bound": True, "text": text}
        return Observation(REACHED, text, {"tables": tables, "rows": found["rows"], "loss": loss})


def _rows(digest: dict[str, Any]) -> dict[str, int]:
    return {name: int(rows) for name, (rows, _) in digest["tables"].items()}


def _tables(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    left, right = before["tables"], after["tables"]
    return {
        name: {"before": int(left[name][0]), "after": int(right[name][0]), "same": left[name] == right[name]}
        for name in left
    }


def others(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Differences of sequences, extensions and roles."""
    found: list[str] = []
    for key, old in before.items():
        new = after.get(key)
        if key.endswith("sequences"):
            found += compare_sequences(old, new or [])
        elif key.endswith("extensions"):
            found += compare_inventory("extension", old, new or {})
        else:
            found += compare_inventory("role", _by_name(old), _by_name(new or []))
    return found


def _by_name(roles: list[dict[str, Any]]) -> dict[str, Any]:
    return {role["name"]: role for role in roles}


def _differs(message: str, differences: list[str]) -> Refused:
    return Refused(
        message,
        why="; ".join(differences[:10]),
        state="writers are still fenced out; the new life serves nobody; the backups are untouched",
        hints=["castle logs", "keep everything as it is and compare by hand: castle restore --side"],
    )

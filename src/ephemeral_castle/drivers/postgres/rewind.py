"""A restore in place, after logical errors: the same life, an earlier state, on a timeline of its own."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import Any

from ephemeral_castle.drivers.postgres.configuration import writer_files
from ephemeral_castle.drivers.postgres.digests import take
from ephemeral_castle.drivers.postgres.image import POSTGRES
from ephemeral_castle.drivers.postgres.part import NOT_REACHED, REACHED, Part
from ephemeral_castle.drivers.postgres.seal import Fence
from ephemeral_castle.errors import CastleError, Permanent
from ephemeral_castle.model.step import Observation
from ephemeral_castle.postgres import marker, sql
from ephemeral_castle.postgres.moment import Moment

POLL = 0.05


class Shut(Fence):
    """The fence, with a commit behind it: the state of the cut can be asked for by its time later on."""

    async def act(self) -> Observation | None:
        """Fences; then a time, and the commit that ends it."""
        seen = await super().act()
        if seen is None or seen.state is not REACHED:
            return seen
        session = await self.session(old=True)
        at = float(await session.value("select extract(epoch from clock_timestamp())"))
        await session.ask(marker.insert_marker(f"{self.ctx.run}-cut", self.ctx.run, self.ctx.old_life))
        again = await self.proven()
        return Observation(again.state, again.detail, {**again.facts, "at": at})


class Rewind(Part):
    """The data directory goes back; recovery ends at the target, and the server accepts writes."""

    async def observe(self) -> Observation:
        """Whether this run's restore is what runs."""
        place = self.place()
        if await place.state() != "running":
            return Observation(NOT_REACHED, "the database is stopped")
        done = await place.run("cat", "/pg/rewound")
        if done.out.strip() != self.ctx.run:
            return Observation(NOT_REACHED, "not restored yet")
        session = await self.session()
        if (await session.json(sql.REPLAY))["in_recovery"]:
            return Observation(NOT_REACHED, "it replays")
        return Observation(REACHED, f"as of {self._wish()}", {"arrival": "restored"})

    def _wish(self) -> str:
        request = self.ctx.request
        return request.to or request.set_label or "the cut"

    async def act(self) -> Observation | None:
        """Restores by a container of its own, which ends; then the database starts as on any day."""
        await self.ctx.intent("restore in place", layer=self.layer, to=self._wish())
        place = self.place()
        files = await writer_files(self, self.ctx.life)
        await place.deliver(files)
        machine = await place.machine()
        treasury = self.ctx.world.enclosure
        command = [
            "podman", "run", "--rm", "--replace", "--name", f"{place.name}-rewind", "--network", "host",
            "--user", "postgres", "--add-host", f"{treasury.treasury_host}:{treasury.gateway}",
            "-v", f"{place.name}:/pg", "-v", f"{place.name}-repo2:/var/lib/pgbackrest",
            "-v", f"{place.folder}:/run/castle:ro", self.ctx.world.images.reference(POSTGRES),
            "sh", "-c", _RESTORE, "rewind", self.ctx.run, *self._options(),
        ]  # fmt: skip
        result = await machine.transport.run(["sh", "-c", shlex.join(command)], timeout=14000)
        if not result.ok:
            raise self._failed(result.last_words(5))
        await place.start(files, ["serve"])
        await self._recovered()
        return None

    def _options(self) -> list[str]:
        rehearsed = self.facts("rehearse")
        moment = Moment(**rehearsed["moment"])
        repo = f"--repo={rehearsed['repo']}"
        if moment.target or moment.alone:
            return [repo, *moment.options()]
        # The newest state is that of the cut, which has a name.
        target = f"--target={sql.restore_point_name(self.ctx.run)}"
        return [repo, f"--set={moment.label}", "--type=name", target, "--target-action=promote"]

    async def _recovered(self) -> None:
        """Waits for the end of recovery: promoting by hand would cut it short."""
        clock = self.ctx.world.clock
        while True:
            try:
                session = await self.session()
                if not (await session.json(sql.REPLAY))["in_recovery"]:
                    return
            except CastleError:
                place = self.place()
                if await place.state() == "running":
                    raise
                machine = await place.machine()
                logs = await machine.transport.run(["podman", "logs", "--tail", "6", place.name])
                raise self._failed(logs.last_words(6)) from None
            await clock.sleep(POLL)

    def _failed(self, why: str) -> Permanent:
        return Permanent(
            f"the database could not be restored to {self._wish()} in place",
            why=why,
            state="the database is down; all that it held until the cut lies in the treasury",
            hints=["castle logs", "castle resume"],
        )


_RESTORE = """\
set -e
run=$1
shift
[ "$(cat /pg/rewound 2>/dev/null)" != "$run" ] || exit 0
rm -rf /pg/spool/* /pg/side
pgbackrest --config=/run/castle/pgbackrest.conf --stanza=castle --delta --log-level-console=warn "$@" restore >&2
echo "$run" > /pg/rewound
"""


class Compare(Part):
    """Rows of every table before and after; there is nothing that must be equal, so nothing is judged."""

    async def observe(self) -> Observation:
        """Only the act knows."""
        return Observation(NOT_REACHED)

    async def act(self) -> Observation | None:
        """Counts again."""
        before, after = self.facts("digest")["digest"], await take(self, old=False)
        names = sorted({*before["tables"], *after["tables"]})
        tables: dict[str, Any] = {
            name: {"before": _rows(before, name), "after": _rows(after, name), "same": None} for name in names
        }
        at = datetime.fromtimestamp(float(self.facts("fence").get("at", self.ctx.started)), UTC).isoformat(
            timespec="milliseconds"
        )
        back = f"castle restore --to {at}"
        self.ctx.diagnostic("warning", f"what stood before this restore can still be reached: {back}")
        text = f"{before['rows']} rows before, {after['rows']} after"
        return Observation(REACHED, text, {"tables": tables, "rows": after["rows"], "back": back})


def _rows(digest: dict[str, Any], name: str) -> int:
    found = digest["tables"].get(name)
    return int(found[0]) if found else 0

"""A restore in place, after logical errors: the same life, an earlier state, on a timeline of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ephemeral_castle.drivers.postgres.configuration import writer_files
from ephemeral_castle.drivers.postgres.digests import take
from ephemeral_castle.drivers.postgres.image import BIN
from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.drivers.postgres.place import RUNNING
from ephemeral_castle.drivers.postgres.places import rewindable
from ephemeral_castle.drivers.postgres.seal import Fence
from ephemeral_castle.errors import Permanent
from ephemeral_castle.model.step import Observation
from ephemeral_castle.postgres import fence, marker
from ephemeral_castle.postgres.moment import Moment
from ephemeral_castle.spi.part import NOT_REACHED, REACHED


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
    """The data directory goes back; recovery ends at the target, and the fence stands before anybody can come in."""

    async def observe(self) -> Observation:
        """Whether this run's restore is what runs."""
        place = self.place()
        if await place.state() != RUNNING:
            return Observation(NOT_REACHED, "the database is stopped")
        done = await place.run("cat", "/pg/rewound")
        if done.out.strip() != self.ctx.run:
            return Observation(NOT_REACHED, "not restored yet")
        await self.session()
        return Observation(REACHED, f"as of {self._wish()}", {"arrival": "restored"})

    def _wish(self) -> str:
        request = self.ctx.request
        return request.to or request.label_of(self.layer) or "the cut"

    async def act(self) -> Observation | None:
        """Restores by a job in a container of its own, which ends; then the database starts as on any day."""
        await self.ctx.intent("restore in place", layer=self.layer, to=self._wish())
        files = await writer_files(self, self.ctx.life)
        script = _RESTORE.format(bin=BIN, schema=marker.CREATE, fence=fence.fence_whole(self.ctx.run))
        command = ("sh", "-c", script, "rewind", self.ctx.run, str(self.options.port), *self._options())
        result = await rewindable(self.ctx).aside("rewind", files, command, timeout=14000, begun=self.ctx.attempt > 1)
        if not result.ok:
            raise Permanent(
                f"the database could not be restored to {self._wish()} in place",
                why=result.last_words(6),
                state="the database is down; all that it held until the cut lies in the treasury",
                hints=["castle logs", "castle resume"],
            )
        await self.place().start(files, ["serve"])
        await self.session()
        return None

    def _options(self) -> list[str]:
        rehearsed = self.facts("rehearse")
        moment = Moment(**rehearsed["moment"])
        repo = f"--repo={rehearsed['repo']}"
        if moment.target or moment.alone:
            return [repo, *moment.options()]
        # The newest state is that of the cut, which has a name.
        target = f"--target={self.facts('mark')['mark']['name']}"
        return [repo, f"--set={moment.label}", "--type=name", target, "--target-action=promote"]


# Arguments: run, port, options of `restore`. The server listens to nobody outside and archives nothing until the fence
# stands: before /pg/rewound is written, a restore that was broken off may begin again, and no trace of it is elsewhere.
# A server must not be process 1: see image.FIRST.
_RESTORE = """\
set -e
run=$1 port=$2
shift 2
if [ "$(cat /pg/rewound 2>/dev/null)" = "$run" ]; then
  rm -f /pg/rewinding
  exit 0
fi
# Who looks at the directory until the end knows by this that it is at work here: see datadir.LOOK.
touch /pg/rewinding
data=/pg/data
log=/pg/rewind.log
failed() {{
  tail -n 6 $log >&2
  exit 1
}}
rm -rf /pg/spool/* /pg/side $data/postmaster.pid
echo "restore begins: $run" >> $log
pgbackrest --config=/run/castle/pgbackrest.conf --stanza=castle --delta --log-level-console=warn "$@" restore \
  >> $log 2>&1 || failed
cp -f /run/castle/castle.conf $data/castle.conf
{bin}/postgres -D $data -c listen_addresses= -c hba_file=/run/castle/pg_hba.conf -c archive_command= \
  -c synchronous_standby_names= -c max_logical_replication_workers=0 >> $log 2>&1 &
server=$!
# Promoting by hand would cut the recovery short.
until [ "$(psql -h /tmp -p "$port" -U postgres -qAtX -d postgres -c 'select pg_is_in_recovery()' 2>/dev/null)" = f ]; do
  kill -0 $server 2>/dev/null || failed
  sleep 0.03
done
psql -h /tmp -p "$port" -U postgres -qAtX -d postgres -v ON_ERROR_STOP=1 -f - >> $log 2>&1 <<'END' || failed
set default_transaction_read_only = off;
{schema}
{fence}
END
kill -INT $server
wait $server || failed
sync /pg/data/global/pg_control
echo "$run" > /pg/rewound
rm /pg/rewinding
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
        back = f"castle restore --to {at} --layer {self.layer}"
        self.ctx.diagnostic("warning", f"what stood before this restore can still be reached: {back}")
        text = f"{before['rows']} rows before, {after['rows']} after"
        return Observation(REACHED, text, {"tables": tables, "rows": after["rows"], "back": back})


def _rows(digest: dict[str, Any], name: str) -> int:
    found = digest["tables"].get(name)
    return int(found[0]) if found else 0

"""A copy as of a point in time, beside the living database: to look at, to take rows from, never to replace it."""

from __future__ import annotations

import dataclasses

from ephemeral_castle.drivers.postgres.image import BIN
from ephemeral_castle.drivers.postgres.part import Part
from ephemeral_castle.drivers.postgres.prove import repository
from ephemeral_castle.drivers.postgres.seal import Mark
from ephemeral_castle.errors import CastleError, Permanent
from ephemeral_castle.model.step import Observation
from ephemeral_castle.postgres import marker, sql
from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.moment import UNTOUCHED, Moment, choose
from ephemeral_castle.postgres.pgbackrest import RepoInfo, parse_info
from ephemeral_castle.postgres.segments import Segment
from ephemeral_castle.spi.part import NOT_REACHED, REACHED

PORT = 5433


class Side(Part):
    """Restores into a directory of its own in the database's container; listens on the local socket only."""

    async def observe(self) -> Observation:
        """Only the act knows."""
        return Observation(NOT_REACHED)

    async def act(self) -> Observation | None:
        """Restores to the point, starts on a second port, archives nothing."""
        repo, moment = await self.chosen()
        await self._flush()
        place = self.place(old=True)
        script = _SCRIPT.format(bin=BIN, port=PORT)
        wish = [f"--repo={repo}", *moment.options()]
        result = await place.job("side", "sh", "-c", script, "side", *wish, timeout=7200, again=True)
        if not result.ok:
            raise Permanent(
                f"no copy as of {moment.target or 'the end of the archive'} could be brought up",
                why=result.last_words(5),
                state=UNTOUCHED,
                hints=["castle status, for the newest backup", "castle restore --to TIME --side"],
            )
        as_of = result.out.strip().splitlines()[-1]
        there, words, how = await place.way_in(f"psql -h /tmp -p {PORT} -U postgres")
        facts = {**there, "port": PORT, "enter": how, "as_of": as_of}
        facts |= {"repo": repo, "moment": dataclasses.asdict(moment)}
        return Observation(REACHED, f"as of {as_of}, {words}: {how}", facts)

    async def chosen(self) -> tuple[int, Moment]:
        """The repository and what to take from it."""
        return 1, self.choice(await repository(self))

    def choice(self, info: RepoInfo) -> Moment:
        """Backup and timeline in one repository."""
        request = self.ctx.request
        known = self.lineage.get("timelines") or {}
        label, now = request.label_of(self.layer), self.ctx.world.clock.now()
        return choose(info, request.to, known, now, label=label, margin=2.0)

    async def _flush(self) -> None:
        """What was written until now reaches the archive: else a moment ago would lie behind its end.

        The heartbeat is a commit behind every time that has passed, and a restore to a time needs one.
        """
        session = await self.session(name="c", old=True)
        await session.ask(marker.BEAT_BESIDE)
        switched = await session.json(sql.SWITCH_WAL)
        size = int(switched["segment_size"])
        segment = Segment.finished_by_switch(int(switched["timeline"]), Lsn.parse(switched["lsn"]), size).name(size)
        await Mark(self.ctx, self.desk).archived(segment, UNTOUCHED)


class Rehearse(Side):
    """The same restore beside the living database first: nothing is replaced by what was never read."""

    async def chosen(self) -> tuple[int, Moment]:
        """The local repository where it can, since it is near; else the treasury."""
        with_local = await self._local()
        if with_local is not None:
            try:
                return 2, self.choice(with_local)
            except CastleError as error:
                self.ctx.decided("treasury", f"the local repository cannot: {error}; {error.why}")
        return await super().chosen()

    async def _local(self) -> RepoInfo | None:
        result = await self.place(old=True).run(
            "pgbackrest", "--config=/run/castle/pgbackrest.conf", "--stanza=castle", "--repo=2", "--output=json",
            "--log-level-console=off", "info",
        )  # fmt: skip
        if not result.ok:
            return None
        info = parse_info(result.out, "castle").only(2)
        return info if info.backups else None


_SCRIPT = """\
set -e
side=/pg/side
[ ! -f $side/postmaster.pid ] || {bin}/pg_ctl -D $side -m immediate stop >&2 || true
rm -rf $side
mkdir -m 700 $side
pgbackrest --config=/run/castle/pgbackrest.conf --stanza=castle --pg1-path=$side --archive-mode=off \\
  --log-level-console=warn "$@" restore >&2
rm -f $side/castle.conf
options="-c listen_addresses= -c unix_socket_directories=/tmp -c port={port} -c shared_buffers=32MB"
options="$options -c archive_mode=off -c synchronous_standby_names= -c hba_file=/run/castle/pg_hba.conf"
{bin}/pg_ctl -D $side -w -t 600 -l $side/log -o "$options" start >&2 || {{ tail -n 5 $side/log >&2; exit 1; }}
# It answers already while it replays; what it holds is certain when the replay has ended.
until [ "$(psql -h /tmp -p {port} -U postgres -qAtX -d postgres -c 'select pg_is_in_recovery()')" = f ]; do
  {bin}/pg_ctl -D $side status >/dev/null || {{ tail -n 5 $side/log >&2; exit 1; }}
  sleep 0.05
done
psql -h /tmp -p {port} -U postgres -qAtX -d postgres \\
  -c "select coalesce(max(at)::text, 'before the first heartbeat') from castle.heartbeat"
"""

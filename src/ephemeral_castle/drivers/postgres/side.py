"""A copy as of a point in time, beside the living database: to look at, to take rows from, never to replace it."""

from __future__ import annotations

from ephemeral_castle.drivers.postgres.image import BIN
from ephemeral_castle.drivers.postgres.part import NOT_REACHED, REACHED, Part
from ephemeral_castle.errors import Permanent
from ephemeral_castle.model.step import Observation

PORT = 5433


class Side(Part):
    """Restores into a directory of its own in the database's container; listens on the local socket only."""

    async def observe(self) -> Observation:
        """Only the act knows."""
        return Observation(NOT_REACHED)

    async def act(self) -> Observation | None:
        """Restores to the point, starts on a second port, archives nothing."""
        target = self.ctx.request.to
        place = self.place(old=True)
        result = await place.run("sh", "-c", _SCRIPT.format(bin=BIN, port=PORT), "side", target, timeout=7200)
        if not result.ok:
            raise Permanent(
                f"no copy as of {target or 'the end of the archive'} could be brought up",
                why=result.last_words(5),
                state="the living database was not touched",
                hints=["castle status, for the oldest backup", "castle restore --to TIME --side"],
            )
        machine = await place.machine()
        how = f"podman exec -it {place.name} psql -h /tmp -p {PORT}"
        facts = {"machine": machine.id, "port": PORT, "enter": how, "as_of": result.out.strip()}
        return Observation(REACHED, f"as of {result.out.strip()}, on machine {machine.id}: {how}", facts)


_SCRIPT = """\
set -e
side=/pg/side
[ ! -f $side/postmaster.pid ] || {bin}/pg_ctl -D $side -m immediate stop >&2 || true
rm -rf $side
mkdir -m 700 $side
if [ -n "$1" ]; then
  set -- --type=time "--target=$1" --target-action=promote
else
  set -- --type=default
fi
pgbackrest --config=/run/castle/pgbackrest.conf --stanza=castle --pg1-path=$side --archive-mode=off "$@" restore >&2
rm -f $side/castle.conf
options="-c listen_addresses= -c unix_socket_directories=/tmp -c port={port} -c shared_buffers=32MB"
options="$options -c archive_mode=off -c synchronous_standby_names= -c hba_file=/run/castle/pg_hba.conf"
{bin}/pg_ctl -D $side -w -t 600 -l $side/log -o "$options" start >&2 || {{ tail -n 5 $side/log >&2; exit 1; }}
psql -h /tmp -p {port} -U postgres -qAtX -d postgres \\
  -c "select coalesce(max(at)::text, 'before the first heartbeat') from castle.heartbeat"
"""

"""The image of PostgreSQL, pgBackRest and PgBouncer; also what proofs run in, outside the machines."""

from __future__ import annotations

from ephemeral_castle.drivers.postgres.hub import CARRIER
from ephemeral_castle.postgres import marker
from ephemeral_castle.spi.world import Recipe

UID = 5432  # the same in every image and life: files are delivered before the container is there
BIN = "/usr/lib/postgresql/15/bin"

# PostgreSQL must not be process 1 where archiving is asynchronous: it would adopt pgBackRest's orphan and take its
# end with an error for a crashed backend. The control data are written down after the stop, for the seal.
FIRST = f"""\
#!/bin/sh
set -u
data=/pg/data
export PGBACKREST_CONFIG=/run/castle/pgbackrest.conf
mkdir -p -m 700 /pg/data /pg/spool
# A killed server leaves its pid behind, and in a new container that number may be anybody: no other server can be here.
rm -f /pg/control /pg/failed /pg/ready /pg/fenced $data/postmaster.pid
order=$1
shift
fail() {{
  echo "$1 $2" > /pg/failed
  exit 1
}}
case $order in
birth)
  if [ ! -f $data/PG_VERSION ]; then
    {BIN}/initdb -D $data -U postgres --data-checksums -A scram-sha-256 --auth-local=peer -E UTF8 --locale=C.UTF-8 \\
      > /pg/birth.log 2>&1 || fail birth $?
  fi
  ;;
restore)
  if [ ! -f /pg/restored ]; then
    rm -rf /pg/spool/*
    pgbackrest --stanza=castle restore "$@" > /pg/restore.log 2>&1 || fail restore $?
    echo "$*" > /pg/restored
    # The fence came back with the data; the heartbeat rests until it is lifted.
    touch /pg/fenced
    # repo2 died with its machine and would block every push until it knows this cluster again.
    pgbackrest --stanza=castle --no-online stanza-create > /pg/stanza.log 2>&1 &
  fi
  ;;
esac
cp /run/castle/castle.conf $data/castle.conf || fail configuration $?
grep -q "^include_if_exists = 'castle.conf'" $data/postgresql.conf ||
  echo "include_if_exists = 'castle.conf'" >> $data/postgresql.conf
touch /pg/ready
# The heartbeat row bounds what an unplanned death can have lost. It rests behind the fence, and fails in recovery.
beat() {{
  while sleep "$(cat /run/castle/heartbeat)"; do
    [ -e /pg/fenced ] || psql -qAtX -h /tmp -U postgres -d postgres -f /usr/local/share/castle-beat.sql >/dev/null 2>&1
  done
}}
beat &
beating=$!
{BIN}/postgres -D $data &
server=$!
trap 'kill $beating 2>/dev/null; kill -INT $server' TERM INT
while kill -0 $server 2>/dev/null; do wait $server; done
{BIN}/pg_controldata $data > /pg/control.new 2>/dev/null && mv /pg/control.new /pg/control
"""

# One session that waits inside the container until the server answers: polling from outside costs 0.2 s a time.
SESSION = """\
#!/bin/sh
db=$1
failed() {
  [ -e /pg/failed ] || return 1
  echo "failed: $(cat /pg/failed)" >&2
  tail -n 5 /pg/restore.log /pg/birth.log >&2
}
# While the restore works, asking the server would only take its processors.
until [ -e /pg/ready ]; do
  if failed; then exit 9; fi
  sleep 0.03
done
until psql -qAtX -h /tmp -U postgres -d "$db" -c 'select 1' >/dev/null 2>&1; do
  if failed; then exit 9; fi
  sleep 0.02
done
exec psql -qAtX -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -h /tmp -U postgres -d "$db"
"""

POSTGRES = Recipe(
    name="postgres",
    packages=("postgresql-15", "pgbackrest", "pgbouncer", "ca-certificates"),
    files={
        "/usr/local/bin/castle-postgres": FIRST,
        "/usr/local/bin/castle-session": SESSION,
        "/usr/local/bin/castle-sessions": CARRIER,
        "/usr/local/share/castle-beat.sql": marker.BEAT + "\n",
    },
    commands=(
        f"usermod -u {UID} postgres",
        f"groupmod -g {UID} postgres",
        "rm -rf /var/lib/postgresql/15 /etc/postgresql/15",
        # Debian's psql is a Perl script that looks for the real one: it costs time, and holds what psql is given.
        f"ln -s {BIN}/psql /usr/local/bin/psql",
        "mkdir -p /pg /var/lib/pgbackrest /proof",
        "chown postgres:postgres /pg /var/lib/pgbackrest /proof /var/lib/postgresql",
        "chmod 700 /pg /var/lib/pgbackrest /proof",
    ),
)

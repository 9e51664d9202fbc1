"""The image of PostgreSQL, pgBackRest and PgBouncer; also what proofs run in, outside the machines."""

from __future__ import annotations

from ephemeral_castle.drivers.postgres.hub import CARRIER
from ephemeral_castle.postgres import marker
from ephemeral_castle.spi.world import Recipe

UID = 5432  # the same in every image and life: files are delivered before the container is there
BIN = "/usr/lib/postgresql/15/bin"
STOPPING = "/tmp/castle-stop"  # noqa: S108 - in the container

# In the volume's directory: the room that is left, what failed, and the last that was said. See `place.last_words`.
WORDS = (
    "df -k --output=avail . | tail -n 1 && cat failed 2>/dev/null; echo; tail -q -n 5 restore.log birth.log 2>/dev/null"
)

# PostgreSQL must not be process 1 where archiving is asynchronous: it would adopt pgBackRest's orphan and take its
# end with an error for a crashed backend. The control data are written down after the stop, for the seal.
# In a container of a machine it does its order and serves. In a pod two containers share that: `only ORDER...` prepares
# the volume and ends, `stay` serves what is there. The kubelet starts either again by itself, also after a reboot. That
# must repeat nothing and change nothing: an order that was done in a pod, or failed in it, is so for good, and a server
# that comes back behind a fence finds heartbeat and vacuum at rest as they were.
FIRST = f"""\
#!/bin/sh
set -u
data=/pg/data
export PGBACKREST_CONFIG=/run/castle/pgbackrest.conf
part=whole
case $1 in
only)
  part=only
  shift
  ;;
stay) part=stay ;;
esac
# A pod's state carries this to castle, which cannot look at the volume; the kubelet takes 4096 bytes.
tell() {{
  (cd /pg && {WORDS}) | head -c 4000 > /dev/termination-log
}}
end() {{
  if [ $part = only ]; then
    echo "$CASTLE_POD" > /pg/pod
    [ $1 -eq 0 ] || tell
  fi
  exit $1
}}
fail() {{
  echo "$1 $2" > /pg/failed
  end 1
}}
if [ $part = only ] && [ "$(cat /pg/pod 2>/dev/null)" = "$CASTLE_POD" ]; then
  [ ! -e /pg/failed ] || end 1
  end 0
fi
mkdir -p -m 700 /pg/data /pg/spool
# A killed server leaves its pid behind, and in a new container that number may be anybody: no other server can be here.
rm -f /pg/control /pg/ready $data/postmaster.pid
[ $part = stay ] || rm -f /pg/failed /pg/fenced
order=$1
shift
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
    if [ $part = only ]; then
      # A restore that a reboot broke off goes on: nobody else starts it again.
      case " $* " in *" --delta "*) ;; *) [ ! -e /pg/restoring ] || set -- "$@" --delta ;; esac
      touch /pg/restoring
    fi
    pgbackrest --stanza=castle restore "$@" > /pg/restore.log 2>&1 || fail restore $?
    rm -f /pg/restoring
    echo "$*" > /pg/restored
    # The fence came back with the data; the heartbeat rests until it is lifted.
    touch /pg/fenced
    # repo2 died with its machine and would block every push until it knows this cluster again.
    if [ $part = only ]; then
      touch /pg/unknown
    else
      pgbackrest --stanza=castle --no-online stanza-create > /pg/stanza.log 2>&1 &
    fi
  fi
  ;;
serve)
  # An empty volume in place of the database's is a loss to be told, not a place to begin anew.
  [ $part != only ] || [ -f $data/global/pg_control ] || fail "no database on the volume" 1
  ;;
esac
if [ $part != stay ]; then
  # A file of a Secret can be read only, and so can the copy that came back with the data; this one is written to.
  (cp -f /run/castle/castle.conf $data/castle.conf && chmod 600 $data/castle.conf) || fail configuration $?
  grep -q "^include_if_exists = 'castle.conf'" $data/postgresql.conf ||
    echo "include_if_exists = 'castle.conf'" >> $data/postgresql.conf
fi
[ $part != only ] || end 0
if [ -e /pg/unknown ]; then
  (pgbackrest --stanza=castle --no-online stanza-create > /pg/stanza.log 2>&1 && rm -f /pg/unknown) &
fi
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
# Ended on castle's order: it is not started again, and the control data can be read until the pod is taken away.
if [ -e {STOPPING} ]; then
  trap 'exit 0' TERM INT
  sleep infinity &
  wait
fi
"""

# Ends the server of a container that stays, and gives its control data. The mark lies in the container, not on the
# volume: a pod that a reboot brings back serves again.
STOP = f"""\
[ -e {STOPPING} ] || {{ touch {STOPPING} && kill -TERM 1; }} || exit 1
waited=0
until [ -e /pg/control ]; do
  [ $waited -lt 1200 ] || {{ echo "the server runs still after 60 s" >&2; exit 1; }}
  waited=$((waited + 1))
  sleep 0.05
done
cat /pg/control
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
        # A quarter of the image that no server reads; a cluster's node fetches and unpacks it while the data wait.
        "find /usr/share/doc -type f ! -name copyright -delete",
        "rm -rf /usr/share/man /usr/share/info /usr/share/locale /usr/share/i18n",
        "mkdir -p /pg /var/lib/pgbackrest /proof",
        "chown postgres:postgres /pg /var/lib/pgbackrest /proof /var/lib/postgresql",
        "chmod 700 /pg /var/lib/pgbackrest /proof",
    ),
)

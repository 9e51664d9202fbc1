"""What runs in the drill's pod, and how its server is configured: it archives nothing, and nobody reaches it. Pure.

The scripts are of sh(1). PostgreSQL's programs are looked for where Debian, Red Hat and PATH have them.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ephemeral_castle.drivers.pgbackrest.living import STANZA, Living

HOME, DATA = "/pgdata", "/pgdata/drill"
OWN = "/castle"  # castle's own files
SOCKETS = "/castle-sockets"
HBA = "local all all trust\n"  # the socket lies in the pod, and nothing else listens

_PROGRAMS = """\
for each in /usr/lib/postgresql/{major}/bin /usr/pgsql-{major}/bin; do
  if [ -x "$each/postgres" ]; then PATH="$each:$PATH"; fi
done
"""

_RESTORE = """\
set -eu
{programs}mkdir -p -m 700 {data}
chmod 700 {data}
exec pgbackrest --stanza={stanza} --repo={repo} --pg1-path={data} --archive-mode=off --type=default \\
  --tablespace-map-all={home}/tablespaces --lock-path=/tmp/castle --log-level-console=info --log-level-file=off restore
"""

# Limits that the log may use must be at least what they were; the control data tell them.
_SERVE = """\
set -eu
{programs}said=$(LC_ALL=C pg_controldata {data})
was() {{ printf '%s\\n' "$said" | sed -n "s/^$1 setting: *//p"; }}
exec postgres -D {data} {settings} \\
  -c max_connections="$(was max_connections)" -c max_prepared_transactions="$(was max_prepared_xacts)" \\
  -c max_locks_per_transaction="$(was max_locks_per_xact)" -c max_worker_processes="$(was max_worker_processes)"
"""

_ASK = """\
{programs}exec psql -XAtq -v ON_ERROR_STOP=1 -h {sockets} -U postgres -d "$1"
"""


def restore(living: Living) -> list[str]:
    """Fills the volume from the repository. The server that follows has `archive_mode` off by pgBackRest's own word."""
    text = _RESTORE.format(programs=_programs(living), data=DATA, home=HOME, stanza=STANZA, repo=living.repo)
    return ["sh", "-c", text, "castle-restore"]


def serve(living: Living, preload: Sequence[str]) -> list[str]:
    """Replays to the end of the archive and answers on its socket.

    Settings on the command line win over all that came with the data: there libraries may be named that run jobs, and
    files of certificates that are not here. Replication of its own it begins none.
    """
    settings = {
        "config_file": f"{OWN}/postgresql.conf",
        "hba_file": f"{OWN}/pg_hba.conf",
        "ident_file": f"{OWN}/pg_ident.conf",
        "listen_addresses": "",
        "unix_socket_directories": SOCKETS,
        "port": "5432",
        "archive_mode": "off",
        "archive_command": "",
        "hot_standby": "off",
        "ssl": "off",
        "logging_collector": "off",
        "log_destination": "stderr",
        "shared_preload_libraries": ",".join(preload),
        "max_logical_replication_workers": "0",
        "synchronous_standby_names": "",
        "autovacuum": "off",
        "shared_buffers": "128MB",
        "huge_pages": "off",
    }
    words = " ".join(f"-c {shlex.quote(f'{key}={value}')}" for key, value in settings.items())
    return ["sh", "-c", _SERVE.format(programs=_programs(living), data=DATA, settings=words), "castle-serve"]


def ask(living: Living, database: str) -> list[str]:
    """A session as superuser; SQL comes by standard input."""
    return ["sh", "-c", _ASK.format(programs=_programs(living), sockets=SOCKETS), "castle-ask", database]


def info(living: Living) -> list[str]:
    """What pgBackRest knows of the stanza."""
    return ["pgbackrest", f"--stanza={STANZA}", f"--repo={living.repo}", "--output=json", "--log-level-file=off",
            "--log-level-console=off", "--lock-path=/tmp/castle", "info"]  # fmt: skip


def files(living: Living) -> dict[str, str]:
    """Castle's own files: of the server, and pgBackRest's options."""
    lines = "".join(f"{key}={value}\n" for key, value in living.options.items())
    return {
        "postgresql.conf": "# castle's drill: every setting stands on the command line\n",
        "pg_hba.conf": HBA,
        "pg_ident.conf": "",
        "pgbackrest.conf": f"[global]\n{lines}\n[{STANZA}]\npg1-path={DATA}\n",
    }


def _programs(living: Living) -> str:
    return _PROGRAMS.format(major=living.major)

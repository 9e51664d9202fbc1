"""Renders the castle's part of postgresql.conf, and pg_hba.conf.

Both come back with the data after a restore, so they are written anew in every life.
Reference: https://www.postgresql.org/docs/current/runtime-config.html and auth-pg-hba-conf.html
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ephemeral_castle.postgres.config import checked, checked_name, checked_path
from ephemeral_castle.postgres.sql import quote_ident

_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")

# Settings that castle's safety rests on; a definition cannot change them.
_OWNED = frozenset(
    {
        "archive_mode",
        "archive_command",
        "archive_timeout",
        "wal_level",
        "restore_command",
        "fsync",
        "full_page_writes",
        "synchronous_standby_names",
        "password_encryption",
        "hba_file",
        "data_directory",
        "listen_addresses",
        "port",
        "unix_socket_directories",
    }
)


@dataclass(frozen=True)
class Server:
    """What the castle decides about a server.

    Attributes:
        stanza: of pgBackRest. config: path of pgbackrest.conf on the server.
        hba_file: path of pg_hba.conf.
        listen: addresses to listen on; empty for the socket only.
        socket: directory of the socket. port: TCP port and suffix of the socket.
        archive: False for proofs and copies: they never archive.
        archive_timeout: seconds after which an unfinished segment is switched; with the time to push it bounds what
            an unplanned death can lose.
        settings: the user's own settings, by name.
        minimums: limits a standby must not undercut (`Control.settings`); the larger value wins.
    """

    stanza: str
    config: str
    hba_file: str
    listen: Sequence[str] = ()
    socket: str = "/var/run/postgresql"
    port: int = 5432
    archive: bool = True
    archive_timeout: int = 30
    settings: Mapping[str, str] = field(default_factory=dict)
    minimums: Mapping[str, str] = field(default_factory=dict)


def archive_command(stanza: str, config: str) -> str:
    """`archive_command` for pgBackRest; the shell sees only checked names."""
    path, name = _shell_path("the pgBackRest configuration", config), checked_name("the stanza", stanza)
    return f"pgbackrest --config={path} --stanza={name} archive-push %p"


def restore_command(stanza: str, config: str) -> str:
    """`restore_command` for pgBackRest."""
    path, name = _shell_path("the pgBackRest configuration", config), checked_name("the stanza", stanza)
    return f'pgbackrest --config={path} --stanza={name} archive-get %f "%p"'


def _shell_path(what: str, value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9/_.+-]+", checked_path(what, value)):
        raise ValueError(f"{what} stands in a shell command: letters, digits, '/', '_', '.', '+' and '-' only")
    return value


def render_postgresql(server: Server) -> str:
    """Lines to be read last by postgresql.conf (`include_if_exists`, or given as `conf.d/zz-castle.conf`).

    Raises:
        ValueError: a name or value is not possible, or a setting is castle's own.
    """
    lines = {
        "listen_addresses": ",".join(_address(a) for a in server.listen),
        "port": str(int(server.port)),
        "unix_socket_directories": checked_path("the socket directory", server.socket),
        "hba_file": checked_path("the path of pg_hba.conf", server.hba_file),
        "password_encryption": "scram-sha-256",
        "wal_level": "replica",
        "hot_standby": "on",
        "synchronous_standby_names": "",
        "archive_mode": "on" if server.archive else "off",
        "archive_command": archive_command(server.stanza, server.config) if server.archive else "",
        "archive_timeout": str(_seconds(server.archive_timeout)) if server.archive else "0",
    }
    for name, value in _raised(server.settings, server.minimums).items():
        if not _SETTING.fullmatch(name):
            raise ValueError(f"not the name of a PostgreSQL setting: {name!r}")
        if name.lower() in _OWNED:
            raise ValueError(f"the setting {name} belongs to castle and cannot be set in the definition")
        lines[name] = checked(f"the setting {name}", value) if value else ""
    return "".join(f"{name} = {_conf_literal(value)}\n" for name, value in lines.items())


def _raised(settings: Mapping[str, str], minimums: Mapping[str, str]) -> dict[str, str]:
    # Recovery refuses to start with smaller limits than the primary had; only these five are compared.
    limits = ("max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_transactions",
              "max_locks_per_transaction")  # fmt: skip
    merged = dict(settings)
    for name in limits:
        least = minimums.get(name)
        if least is None:
            continue
        wished = merged.get(name)
        if wished is not None and not wished.isdecimal():
            raise ValueError(f"the setting {name} must be a whole number, not {wished!r}")
        merged[name] = str(max(int(least), int(wished or 0)))
    return merged


def _seconds(value: int) -> int:
    if value < 1:
        raise ValueError(f"archive_timeout must be at least 1 s, not {value}: 0 would keep changes on the machine")
    return value


def _conf_literal(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _address(value: str) -> str:
    return value if value in {"*", "localhost"} else str(ipaddress.ip_address(value))


@dataclass(frozen=True)
class Login:
    """Who may log in from where: `database` "all" or a name, `user`, `source` an address range in CIDR form."""

    database: str
    user: str
    source: str


def render_hba(logins: Sequence[Login], superuser: str = "postgres") -> str:
    """pg_hba.conf: castle by the socket as the system user, listed logins by SCRAM, everybody else not at all.

    Args:
        logins: in order; the first match decides.
        superuser: role that enters by the socket (`peer`), and nowhere else.

    Raises:
        ValueError: an impossible name or address range, or the superuser among the logins.
    """
    lines = [
        f"local all {_hba_name(superuser)} peer",
        "local all all scram-sha-256",
        f"host all {_hba_name(superuser)} all reject",
    ]
    for login in logins:
        if login.user == superuser:
            raise ValueError(f"the superuser {superuser} enters by the socket only")
        network = ipaddress.ip_network(login.source)
        database = "all" if login.database == "all" else _hba_name(login.database)
        lines.append(f"host {database} {_hba_name(login.user)} {network} scram-sha-256")
    lines.append("host all all all reject")
    return "\n".join(lines) + "\n"


def _hba_name(name: str) -> str:
    quote_ident(name)  # length, NUL
    if '"' in name or any(ord(c) < 32 for c in name):
        raise ValueError(f"the name {name!r} cannot stand in pg_hba.conf")
    # Quotes take the special meaning from words like "all" and from a leading "+" or "/".
    return f'"{name}"'

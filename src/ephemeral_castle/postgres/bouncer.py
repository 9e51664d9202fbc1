"""Renders pgbouncer.ini and userlist.txt.

Reference: https://www.pgbouncer.org/config.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ephemeral_castle.postgres.config import checked, checked_path
from ephemeral_castle.postgres.scram import is_verifier

_DATABASE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_OPTION = re.compile(r"[a-z][a-z0-9_]*")
# With one SCRAM verifier on both sides PgBouncer logs in with the key it learned from the client.
_OWNED = frozenset({"auth_type", "auth_file", "listen_addr", "listen_port", "pool_mode", "unix_socket_dir"})


class PoolMode(StrEnum):
    """When a server connection goes back to the pool."""

    TRANSACTION = "transaction"
    SESSION = "session"


@dataclass(frozen=True)
class PgBouncer:
    """What pgbouncer.ini is made of.

    Attributes:
        databases: names that clients see, the same on the server.
        host, port: of PostgreSQL.
        listen_address, listen_port: where clients come in.
        auth_file: path of userlist.txt.
        pool_mode: transaction, or session for clients that need session state.
        admins: users of the admin console (PAUSE, RESUME, SHUTDOWN).
        socket: directory of a socket for the console, "" for none.
        default_pool_size, max_client_conn: connections per database and user, and of all clients.
        server_login_retry: seconds between login attempts; 15 by default, which would be added to every outage.
        settings: further options by name.
    """

    databases: Sequence[str]
    host: str
    auth_file: str
    port: int = 5432
    listen_address: str = "*"
    listen_port: int = 6432
    pool_mode: PoolMode = PoolMode.TRANSACTION
    admins: Sequence[str] = ()
    socket: str = ""
    default_pool_size: int = 20
    max_client_conn: int = 200
    server_login_retry: float = 0.2
    settings: Mapping[str, str] = field(default_factory=dict)


def render_pgbouncer(options: PgBouncer) -> str:
    """The text of pgbouncer.ini.

    Raises:
        ValueError: a name or value is not possible, or an option is castle's own.
    """
    host = checked("the host", options.host)
    if not re.fullmatch(r"[A-Za-z0-9.:/_-]+", host):
        raise ValueError(f"not a host: {host!r}")
    lines = ["[databases]"]
    for name in options.databases:
        if not _DATABASE.fullmatch(name) or name == "pgbouncer":
            raise ValueError(f"the database {name!r} cannot be offered by PgBouncer")
        lines.append(f"{name} = host={host} port={int(options.port)} dbname={name}")
    values: dict[str, object] = {
        "listen_addr": checked("the listen address", options.listen_address),
        "listen_port": int(options.listen_port),
        "unix_socket_dir": checked_path("the socket directory", options.socket) if options.socket else "",
        "auth_type": "scram-sha-256",
        "auth_file": checked_path("the user list", options.auth_file),
        "admin_users": ", ".join(_console_user(user) for user in options.admins),
        "pool_mode": options.pool_mode.value,
        "default_pool_size": _at_least_one("default_pool_size", options.default_pool_size),
        "max_client_conn": _at_least_one("max_client_conn", options.max_client_conn),
        "server_login_retry": options.server_login_retry,
        # Clients of the common drivers send it; without this PgBouncer turns them away.
        "ignore_startup_parameters": "extra_float_digits",
        "log_connections": 0,
        "log_disconnections": 0,
    }
    for name, value in options.settings.items():
        if not _OPTION.fullmatch(name) or name in _OWNED:
            raise ValueError(f"the PgBouncer option {name!r} does not exist or belongs to castle")
        values[name] = checked(f"the option {name}", value)
    lines += ["", "[pgbouncer]", *(f"{name} = {value}" for name, value in values.items())]
    return "\n".join(lines) + "\n"


def _console_user(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ValueError(f"the user {name!r} cannot administer PgBouncer")
    return name


def _at_least_one(what: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{what} must be at least 1, not {value}")
    return value


def render_userlist(verifiers: Mapping[str, str]) -> str:
    """The text of userlist.txt; treat it as a secret.

    Args:
        verifiers: user to SCRAM-SHA-256 verifier: the same text that `ALTER ROLE` got.

    Raises:
        ValueError: not a verifier, or a name that cannot stand in the file.
    """
    lines = []
    for user, verifier in sorted(verifiers.items()):
        if not is_verifier(verifier):
            raise ValueError(f"the user {user!r} has no SCRAM-SHA-256 verifier")
        if not user or any(ord(c) < 32 for c in user) or len(user.encode("utf-8")) > 63:
            raise ValueError(f"the user {user!r} cannot stand in the user list of PgBouncer")
        lines.append(f'"{user.replace(chr(34), chr(34) * 2)}" "{verifier}"')
    return "\n".join(lines) + "\n" if lines else ""

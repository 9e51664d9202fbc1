"""Parameters and access rules of PostgreSQL, as the operator combines them with what the cluster's spec wants."""

from __future__ import annotations

import json
from typing import Any

from ..api import Object
from . import names
from .moment import Moment

CONFIGURATION = "patroni.yaml"  # key of the ConfigMap; JSON, which is YAML
TLS = "/pgconf/tls"


def wanted(moment: Moment) -> Object:
    """What an instance is told: `parameters` and `pg_hba`."""
    return {"parameters": _parameters(moment), "pg_hba": _access(moment)}


def configuration(moment: Moment) -> str:
    """The same as text, always equal for what is equal."""
    return json.dumps(wanted(moment), sort_keys=True)


def config_map(moment: Moment) -> None:
    """The ConfigMap from which an instance takes its first configuration."""
    meta = moment.meta(f"{moment.name}-config", {})
    moment.write("v1", "ConfigMap", meta, data={CONFIGURATION: configuration(moment)})


def _dynamic(moment: Moment) -> Object:
    """`spec.patroni.dynamicConfiguration.postgresql`: the older place for parameters and rules."""
    patroni = moment.spec.get("patroni") or {}
    found: Object = (patroni.get("dynamicConfiguration") or {}).get("postgresql") or {}
    return found


def _parameters(moment: Moment) -> dict[str, str]:
    """Defaults, over them what the spec wants, over it what the operator needs."""
    given = {**(_dynamic(moment).get("parameters") or {})}
    given |= (moment.spec.get("config") or {}).get("parameters") or {}
    defaults = {
        "archive_timeout": "60s",
        "huge_pages": "off",
        "jit": "off",
        "password_encryption": "scram-sha-256",
    }
    combined = {**defaults, **{key: _text(value) for key, value in given.items()}}
    libraries = [each.strip() for each in combined.pop("shared_preload_libraries", "").split(",")]
    archive = f'pgbackrest --stanza={names.STANZA} archive-push "%p"' if moment.backrest else "true"
    mandatory = {
        "archive_command": archive,
        "archive_mode": "on",
        "listen_addresses": "*",
        "port": str(moment.port),
        "restore_command": f'pgbackrest --stanza={names.STANZA} archive-get %f "%p"',
        "shared_preload_libraries": ",".join(["pgaudit", *(each for each in libraries if each not in ("", "pgaudit"))]),
        "ssl": "on",
        "ssl_ca_file": f"{TLS}/ca.crt",
        "ssl_cert_file": f"{TLS}/tls.crt",
        "ssl_key_file": f"{TLS}/tls.key",
        "unix_socket_directories": names.SOCKETS,
        "wal_level": "logical",
    }
    return {**combined, **mandatory}


def _access(moment: Moment) -> list[str]:
    """Rules of pg_hba.conf: who the operator itself is, then the spec's own, or TLS with a password for everybody."""
    rules = [
        'local all "postgres" peer',
        f'hostssl replication "{names.REPLICATION_USER}" all cert',
        f'hostssl "postgres" "{names.REPLICATION_USER}" all cert',
        f'host all "{names.REPLICATION_USER}" all reject',
    ]
    if moment.bouncer is not None:
        rules += [
            f'hostssl all "{names.BOUNCER_USER}" all scram-sha-256',
            f'host all "{names.BOUNCER_USER}" all reject',
        ]
    own = _dynamic(moment).get("pg_hba") or ["hostssl all all all scram-sha-256"]
    return [*rules, *own]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)

"""Roles after a return: the old verifiers came back with the data, and perhaps old strangers.

The vault may have rotated passwords since the backup, so every known role gets its verifier anew; a clear password
never leaves castle. DDL takes no bound parameters, so everything is quoted.
"""

from __future__ import annotations

from collections.abc import Iterable

from ephemeral_castle.postgres.scram import is_verifier
from ephemeral_castle.postgres.sql import quote_ident, quote_literal

# Keeps even the verifier out of the server's log and of the statistics of statements. The parameters of extensions
# that are not loaded are accepted as placeholders. Each statement must arrive by itself (psql on standard input, not
# `psql -c` with several), or the whole text is logged before the first SET works.
QUIET = """\
SET LOCAL log_statement = 'none';
SET LOCAL log_min_duration_statement = -1;
SET LOCAL log_min_duration_sample = -1;
SET LOCAL log_transaction_sample_rate = 0;
SET LOCAL log_duration = off;
SET LOCAL log_min_error_statement = 'panic';
SET LOCAL track_activities = off;
SET LOCAL pg_stat_statements.track = 'none';
SET LOCAL pg_stat_statements.track_utility = off;
SET LOCAL pgaudit.log = 'none';"""


def set_verifier(role: str, verifier: str) -> str:
    """Gives an existing role its password by verifier, and lets it log in.

    Raises:
        ValueError: not a SCRAM verifier (PostgreSQL would take the text for a clear password), or a bad name.
    """
    _require_verifier(verifier)
    return f"BEGIN;\n{QUIET}\nALTER ROLE {quote_ident(role)} LOGIN PASSWORD {quote_literal(verifier)};\nCOMMIT;"


def create_login(role: str, verifier: str) -> str:
    """Creates a login role with its verifier.

    Raises:
        ValueError: as `set_verifier`.
    """
    _require_verifier(verifier)
    return f"BEGIN;\n{QUIET}\nCREATE ROLE {quote_ident(role)} LOGIN PASSWORD {quote_literal(verifier)};\nCOMMIT;"


def create_database(name: str, owner: str) -> str:
    """Creates a database that belongs to `owner`; not inside a transaction."""
    return f"CREATE DATABASE {quote_ident(name)} OWNER {quote_ident(owner)};"


def _require_verifier(verifier: str) -> None:
    if not is_verifier(verifier):
        raise ValueError("not a SCRAM-SHA-256 verifier")


def login_state(known: Iterable[str]) -> str:
    """Query: what a person must know about login roles.

    `{"unknown", "missing", "expired", "no_login", "not_scram"}`, each a list of names: login roles that are not in
    `known`; known ones that do not exist, whose VALID UNTIL has passed, that may not log in, or that have no
    SCRAM-SHA-256 verifier.

    Args:
        known: the roles of the definition and castle's own.
    """
    array = ", ".join(quote_literal(name) for name in known)
    return f"""\
WITH known (name) AS (SELECT unnest(ARRAY[{array}]::text[])),
  r AS (SELECT a.rolname::text AS name, a.rolcanlogin AS login, a.rolvaliduntil < now() AS expired,
    coalesce(a.rolpassword, '') LIKE 'SCRAM-SHA-256$%' AS scram FROM pg_authid AS a)
SELECT jsonb_build_object(
  'unknown', coalesce((SELECT jsonb_agg(name ORDER BY name) FROM r
    WHERE login AND name NOT IN (SELECT name FROM known)), '[]'),
  'missing', coalesce((SELECT jsonb_agg(name ORDER BY name) FROM known WHERE name NOT IN (SELECT name FROM r)), '[]'),
  'expired', coalesce((SELECT jsonb_agg(name ORDER BY name) FROM r JOIN known USING (name) WHERE expired), '[]'),
  'no_login', coalesce((SELECT jsonb_agg(name ORDER BY name) FROM r JOIN known USING (name) WHERE NOT login), '[]'),
  'not_scram', coalesce((SELECT jsonb_agg(name ORDER BY name) FROM r JOIN known USING (name)
    WHERE NOT scram), '[]'));"""


def forbid_login(role: str) -> str:
    """Keeps an unknown role out without dropping what it owns."""
    return f"ALTER ROLE {quote_ident(role)} NOLOGIN;"


# Subscriptions would begin to pull from their publisher as soon as the network opens, with passwords of the former
# life. Names only: connection strings hold clear passwords. `{"name", "database", "enabled"}`, of all databases.
SUBSCRIPTIONS = """\
SELECT coalesce(jsonb_agg(jsonb_build_object('name', s.subname, 'database', d.datname, 'enabled', s.subenabled)
  ORDER BY d.datname, s.subname), '[]')
FROM pg_subscription AS s JOIN pg_database AS d ON d.oid = s.subdbid;"""


def disable_subscription(name: str) -> str:
    """Stops a subscription; in its own database."""
    return f"ALTER SUBSCRIPTION {quote_ident(name)} DISABLE;"


# User mappings hold clear passwords too: `{"server", "user"}` only, of the current database.
USER_MAPPINGS = """\
SELECT coalesce(jsonb_agg(jsonb_build_object('server', srvname, 'user', usename) ORDER BY srvname, usename), '[]')
FROM pg_user_mappings;"""

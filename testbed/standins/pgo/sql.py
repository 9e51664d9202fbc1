"""What is done in the database itself, by psql in the leader's pod: databases, roles, PgBouncer's eyes, init SQL.

What was done is known by a mark in the cluster's status; it is done again only when what is wanted changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from . import names, users
from .instances import Instance, writable
from .moment import Failed, Moment

QUIET = "SET client_min_messages = warning;\nSET synchronous_commit = local;\n"
# In every database, also those that new ones are made from; SQL comes by standard input.
EVERYWHERE = """\
sql=$(cat)
psql -XAtwd postgres -c "SELECT datname FROM pg_database WHERE datallowconn AND datconnlimit <> -2 ORDER BY 1" |
while IFS= read -r each; do
  printf '%s\\n' "$sql" | PGDATABASE=$each psql -Xwq -v ON_ERROR_STOP=1 -f -
done
"""


def literal(text: str) -> str:
    """A string of SQL."""
    return "'" + text.replace("'", "''") + "'"


def identifier(text: str) -> str:
    """A name of SQL."""
    return '"' + text.replace('"', '""') + '"'


class Session:
    """Commands in the leader's container."""

    def __init__(self, moment: Moment, instance: Instance) -> None:
        self._moment = moment
        self._pod = f"{instance.name}-0"

    def run(self, argv: Sequence[str], stdin: str = "") -> str:
        """Runs a command; what it says. Raises Failed."""
        done = self._moment.run(self._moment.namespace, self._pod, names.DATABASE, argv, stdin)
        if done.code != 0:
            raise Failed(f"command terminated with exit code {done.code}: {done.errors.strip()[-400:]}")
        return done.out

    def here(self, sql: str, *, stop: bool = True) -> str:
        """Runs SQL in the database postgres. `stop`: at the first error, and fail."""
        on = ["-v", "ON_ERROR_STOP=1"] if stop else []
        return self.run(["psql", "-XAtwq", *on, "-f", "-", "-d", "postgres"], sql)

    def everywhere(self, sql: str) -> str:
        """Runs SQL in every database."""
        return self.run(["bash", "-ceu", "-o", "pipefail", "--", EVERYWHERE], sql)


def databases(moment: Moment, instances: Sequence[Instance]) -> None:
    """Databases of the spec, and the extension pgaudit in all."""
    primary = writable(instances)
    if primary is None:
        return
    wanted = users.databases(moment)
    mark = names.digest("databases", *wanted)
    if moment.status.get("databaseRevision") == mark:
        return
    session, audited = Session(moment, primary), True
    try:
        session.everywhere(QUIET + "CREATE EXTENSION IF NOT EXISTS pgaudit;\nALTER EXTENSION pgaudit UPDATE;\n")
    except Failed:
        audited = False
        moment.event("pgAuditDisabled", "Unable to install pgAudit")
    session.here(QUIET + "".join(f"{create_database(each)}\n" for each in wanted))
    if audited:
        moment.status["databaseRevision"] = mark


def create_database(name: str) -> str:
    """Makes a database unless it is there."""
    made = literal(f"CREATE DATABASE {identifier(name)}")
    return f"SELECT {made} WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {literal(name)}) \\gexec"


def roles(moment: Moment, instances: Sequence[Instance], verifiers: Mapping[str, str]) -> None:
    """Roles of the spec: made, given their password, options and databases."""
    primary = writable(instances)
    if primary is None:
        return
    text = QUIET + "BEGIN;\n" + "".join(_role(moment, each, verifiers) for each in users.wanted(moment)) + "COMMIT;\n"
    mark = names.digest("users", text)
    if moment.status.get("usersRevision") == mark:
        return
    Session(moment, primary).here(text)
    moment.status["usersRevision"] = mark


def _role(moment: Moment, user: Mapping[str, object], verifiers: Mapping[str, str]) -> str:
    name = str(user["name"])
    role, options, owned = identifier(name), str(user.get("options") or ""), list(_texts(user.get("databases")))
    if re.search(r"--|/\*|\*/|;|password", options, re.IGNORECASE):
        moment.event("InvalidUser", f'spec.users: Invalid value: "{options}": cannot contain comments or a password')
        options = ""
    if name == "postgres":
        options, owned = "LOGIN SUPERUSER", ["postgres"]
    made = literal(f"CREATE ROLE {role} LOGIN")
    lines = [
        f"SELECT {made} WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {literal(name)}) \\gexec",
        f"ALTER ROLE {role} WITH {options} PASSWORD {literal(verifiers[name])};",
        *(f"GRANT ALL PRIVILEGES ON DATABASE {identifier(each)} TO {role};" for each in owned),
    ]
    return "".join(f"{line}\n" for line in lines)


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def init(moment: Moment, instances: Sequence[Instance]) -> None:
    """The spec's own SQL, once in every newborn cluster, restored or not; its errors stop nothing."""
    wanted = moment.spec.get("databaseInitSQL")
    if not wanted:
        moment.status.pop("databaseInitSQL", None)
        return
    if moment.status.get("databaseInitSQL") == wanted["name"]:
        return
    primary = writable(instances)
    if primary is None:
        return
    found = moment.read("v1", "ConfigMap", wanted["name"])
    text = ((found or {}).get("data") or {}).get(wanted["key"])
    if text is None:
        raise Failed(f'ConfigMap "{wanted["name"]}" with the key "{wanted["key"]}" not found')
    Session(moment, primary).here(text, stop=False)
    moment.status["databaseInitSQL"] = wanted["name"]


def enable_bouncer(moment: Moment, instances: Sequence[Instance], proof: str) -> None:
    """The role by which PgBouncer looks passwords up, and the only function that it may call for it."""
    _bouncer(moment, instances, _ENABLE.replace("%VERIFIER%", literal(proof)))


def disable_bouncer(moment: Moment, instances: Sequence[Instance]) -> None:
    """Takes both away again."""
    _bouncer(moment, instances, _DISABLE)


def _bouncer(moment: Moment, instances: Sequence[Instance], text: str) -> None:
    told = moment.status.setdefault("proxy", {}).setdefault("pgBouncer", {})
    mark = names.digest("pgbouncer", text)
    primary = writable(instances)
    if primary is None or told.get("postgresRevision") == mark:
        return
    session = Session(moment, primary)
    session.everywhere(QUIET + text)
    if text == _DISABLE:
        session.here(QUIET + f"DROP ROLE IF EXISTS {names.BOUNCER_USER};\n")
    told["postgresRevision"] = mark


_ENABLE = f"""\
BEGIN;
SELECT 'CREATE ROLE {names.BOUNCER_USER} NOLOGIN'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{names.BOUNCER_USER}') \\gexec
CREATE SCHEMA IF NOT EXISTS pgbouncer;
REVOKE ALL ON SCHEMA pgbouncer FROM PUBLIC, {names.BOUNCER_USER};
GRANT USAGE ON SCHEMA pgbouncer TO {names.BOUNCER_USER};
-- Neither superusers nor itself: who can read those can be those.
CREATE OR REPLACE FUNCTION pgbouncer.get_auth(username TEXT) RETURNS TABLE (username TEXT, password TEXT)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $auth$
  SELECT a.rolname::text, a.rolpassword::text FROM pg_catalog.pg_authid AS a
   WHERE a.rolname = $1 AND a.rolcanlogin AND NOT a.rolsuper AND NOT a.rolreplication
     AND a.rolname <> '{names.BOUNCER_USER}' AND coalesce(a.rolvaliduntil >= now(), true)
$auth$;
REVOKE ALL ON FUNCTION pgbouncer.get_auth(TEXT) FROM PUBLIC, {names.BOUNCER_USER};
GRANT EXECUTE ON FUNCTION pgbouncer.get_auth(TEXT) TO {names.BOUNCER_USER};
ALTER ROLE {names.BOUNCER_USER} SET search_path TO 'pgbouncer';
ALTER ROLE {names.BOUNCER_USER} LOGIN PASSWORD %VERIFIER%;
COMMIT;
"""
_DISABLE = f"""\
BEGIN;
DROP SCHEMA IF EXISTS pgbouncer CASCADE;
SELECT 'DROP OWNED BY {names.BOUNCER_USER} CASCADE'
 WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = '{names.BOUNCER_USER}') \\gexec
COMMIT;
"""

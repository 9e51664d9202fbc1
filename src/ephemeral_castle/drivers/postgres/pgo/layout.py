"""How the operator lays a server out. Source: PGO v6.0.3, internal/postgres, internal/pgbackrest; Patroni 4."""

from __future__ import annotations

import dataclasses

from ephemeral_castle.drivers.postgres.image import POSTGRES
from ephemeral_castle.drivers.postgres.layout import Layout
from ephemeral_castle.drivers.postgres.pgo.vocabulary import STANZA

VERSION = 17
PROGRAMS = f"/usr/lib/postgresql/{VERSION}/bin"
SOCKET = "/tmp/postgres"  # noqa: S108 - in the container

# Of a suite that has this major version: PostgreSQL reads no other version's files.
RECIPE = dataclasses.replace(
    POSTGRES,
    name=f"postgres-{VERSION}",
    suite="trixie",
    packages=tuple(each.replace("postgresql-15", f"postgresql-{VERSION}") for each in POSTGRES.packages),
    files={path: text.replace("/15/", f"/{VERSION}/") for path, text in POSTGRES.files.items()},
    commands=tuple(each.replace("/15", f"/{VERSION}") for each in POSTGRES.commands),
)

# A standby needs these at least as large as the server had them, and Patroni gives them on the command line only.
LIMITS = (
    f"$(LC_ALL=C {PROGRAMS}/pg_controldata /proof/data | sed -n "
    r"'s/xacts setting/transactions setting/; s/per_xact setting/per_transaction setting/; "
    r"s/^\(max_[a-z_]*\) setting: */-c \1=/p' | tr '\n' ' ')"
)

LAYOUT = Layout(
    stanza=STANZA,
    recipe=RECIPE,
    programs=PROGRAMS,
    # What came back was configured for a pod: certificates and libraries that are not here.
    proof=f"-c ssl=off -c shared_preload_libraries= -c logging_collector=off -c huge_pages=off {LIMITS}",
    backrest=("pgbackrest", f"--stanza={STANZA}"),
    socket=SOCKET,
    quiet="alter system set autovacuum = off;\nselect pg_reload_conf()",
    unquiet="alter system reset autovacuum;\nselect pg_reload_conf()",
    rests="select exists (select from pg_file_settings where name = 'autovacuum' and setting = 'off' "
    "and sourcefile like '%/postgresql.auto.conf')",
    console=False,
    delivered=False,
    agents=("Patroni heartbeat", "Patroni restapi"),
    reborn=True,
)

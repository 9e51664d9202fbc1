from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemeral_castle.postgres import digest, fence, marker, roles, sql
from ephemeral_castle.postgres.fence import DatabaseLimit, Writer
from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.scram import verifier

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=15)


@given(NAMES)
def test_identifiers_round_trip_and_close_only_at_their_end(name: str):
    quoted = sql.quote_ident(name)
    inner = quoted[1:-1]
    assert quoted[0] == quoted[-1] == '"'
    assert inner.replace('""', "") == name.replace('"', "")
    assert inner.replace('""', '"') == name


@given(TEXTS)
def test_literals_round_trip(text: str):
    quoted = sql.quote_literal(text)
    if "\\" in text:
        assert quoted.startswith(" E'")
        inner = quoted[3:-1].replace("\\\\", "\\")
    else:
        assert quoted.startswith("'")
        inner = quoted[1:-1]
    assert inner.replace("''", "'") == text
    assert "'" not in inner.replace("''", "")


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 64, "é" * 32])
def test_impossible_identifiers(name: str):
    with pytest.raises(ValueError, match="identifier"):
        sql.quote_ident(name)


def test_impossible_literal():
    with pytest.raises(ValueError, match="NUL"):
        sql.quote_literal("a\0")


def test_restore_points_are_named_after_the_run():
    assert sql.restore_point_name("20261122-01", 1.5) == "castle-20261122-01-5dc"
    assert sql.restore_point_name("r", 1.5) != sql.restore_point_name(
        "r", 1.501
    )  # a restore ends at the first of a name
    assert "'castle-r'" in sql.create_restore_point("castle-r")
    for run in ("", "a b", "x'y", "x" * 57):
        with pytest.raises(ValueError, match="restore point"):
            sql.restore_point_name(run, 0.0)


def test_archive_status_takes_segment_names_only():
    assert "'000000010000000000000005.done'" in sql.archive_status("000000010000000000000005")
    with pytest.raises(ValueError, match="segment"):
        sql.archive_status("x'; --")


def test_history_status():
    assert "'0000000A.history.done'" in sql.history_status(10)


def test_reached():
    assert sql.reached("0/7000000", Lsn.parse("0/7000000"))
    assert not sql.reached("0/6FFFFFF", Lsn.parse("0/7000000"))
    assert not sql.reached(None, Lsn.parse("0/0"))


QUERIES = [
    sql.SWITCH_WAL,
    sql.MARK,
    sql.REPLAY,
    sql.TIMELINE,
    sql.DATABASES,
    sql.SYNCHRONOUS_STANDBYS,
    sql.archive_status("0" * 24),
    sql.collation_mismatches(15),
    marker.SCHEMA_STATE,
    marker.LAST_BEAT,
    marker.NEWEST_LIFE,
    marker.find_markers(["a"]),
    fence.LIMITS,
    fence.OPEN_DATABASES,
    fence.PREPARED_TRANSACTIONS,
    fence.writers(),
    fence.terminate([1]),
    fence.starting_sessions(),
    digest.TABLES,
    digest.EXCLUDED,
    digest.SEQUENCES,
    digest.ROLES,
    digest.LARGE_OBJECTS,
    digest.table_digest("public", "a"),
    roles.login_state(["app"]),
    roles.SUBSCRIPTIONS,
    roles.USER_MAPPINGS,
]


@pytest.mark.parametrize("text", QUERIES)
def test_a_query_is_one_statement(text: str):
    assert text.endswith(";")
    assert text.count(";") == 1


def test_the_switch_stands_alone():
    assert re.search(r"\b(insert|update|delete|begin)\b", sql.SWITCH_WAL, re.IGNORECASE) is None


def test_collations_of_databases_are_asked_only_where_they_are_tracked():
    assert "datcollversion" in sql.collation_mismatches(15)
    assert "datcollversion" not in sql.collation_mismatches(14)


LIMITS = (DatabaseLimit("app", 7, "off"), DatabaseLimit('we"ird', -1, None))


def test_fence_records_before_it_closes():
    text = fence.fence(LIMITS, "run-1")
    assert text.startswith("BEGIN;")
    assert text.endswith("COMMIT;")
    assert text.index("INSERT INTO castle.fence") < text.index('ALTER DATABASE "app" CONNECTION LIMIT 0;')
    assert "('app', 7, 'off', 'run-1') ON CONFLICT (datname) DO NOTHING" in text
    assert "('we\"ird', -1, NULL, 'run-1')" in text
    assert 'ALTER DATABASE "we""ird" CONNECTION LIMIT 0;' in text


def test_lift_restores_exactly_what_was_recorded():
    text = fence.lift(LIMITS)
    assert 'ALTER DATABASE "app" CONNECTION LIMIT 7;' in text
    assert "ALTER DATABASE \"app\" SET default_transaction_read_only = 'off';" in text
    assert 'ALTER DATABASE "we""ird" CONNECTION LIMIT -1;' in text
    assert 'ALTER DATABASE "we""ird" RESET default_transaction_read_only;' in text
    assert text.endswith("DELETE FROM castle.fence;\nCOMMIT;")


def test_limits_survive_the_journal():
    assert tuple(DatabaseLimit.from_json(limit.to_json()) for limit in LIMITS) == LIMITS
    line = '[{"name": "app", "limit": 7, "fenced": true, "read_only": null}]'
    assert fence.parse_limits(line) == (DatabaseLimit("app", 7, None, fenced=True),)


def test_own_sessions_are_spared():
    for text in (fence.terminate([11, 12]), fence.writers([11, 12]), fence.starting_sessions([11, 12])):
        assert "<> ALL (ARRAY[11, 12]::integer[])" in text
        assert "pg_backend_pid()" in text


PSQL = Writer(7, "su", "app", "psql", None, "client backend", superuser=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0, [], ["app"], []), "databases without a fence: app"),
        ((0, [], [], [{"gid": "g1", "database": "app"}]), "prepared transactions can still be committed: 'g1' in app"),
        ((0, [PSQL], [], []), "superusers pass the fence: su@app (psql) from the local socket, pid 7"),
        (
            (0, [Writer(8, None, "app", "", None, "logical replication worker", superuser=False)], [], []),
            "logical replication worker@app",
        ),
        ((2, [], [], []), "2 sessions are just starting"),
    ],
)
def test_a_breach_is_named(arguments: tuple[int, list[Writer], list[str], list[dict[str, str]]], words: str):
    found = fence.breach(*arguments)
    assert found is not None
    assert words in found


def test_a_fence_that_holds():
    assert fence.breach(0, [], [], []) is None


def test_writers_are_read():
    line = (
        '[{"pid": 7, "kind": "client backend", "user": "su", "address": null, "database": "app", "superuser": true, '
        '"application": "psql"}]'
    )
    assert fence.parse_writers(line) == (PSQL,)


def test_markers_are_quoted():
    assert "('n''x', 'run', 3) ON CONFLICT (nonce) DO NOTHING" in marker.insert_marker("n'x", "run", 3)
    assert "ARRAY['a', 'b']::text[]" in marker.find_markers(["a", "b"])


def test_digests_read_each_table_alone():
    text = digest.table_digest("public", 'a"b')
    assert 'FROM ONLY "public"."a""b" AS t' in text
    assert text.count("hashtextextended") == 1


def test_a_verifier_is_set_quietly_and_never_a_password():
    text = roles.set_verifier("app", verifier("pencil"))
    lines = text.splitlines()
    assert lines[0] == "BEGIN;"
    assert lines[-1] == "COMMIT;"
    assert lines.index("SET LOCAL log_statement = 'none';") < next(
        i for i, line in enumerate(lines) if line.startswith("ALTER ROLE")
    )
    assert "SET LOCAL log_min_error_statement = 'panic';" in lines
    assert "pencil" not in text
    for make in (roles.set_verifier, roles.create_login):
        with pytest.raises(ValueError, match="verifier") as caught:
            make("app", "pencil")
        assert "pencil" not in str(caught.value)
    assert 'CREATE ROLE "app" LOGIN' in roles.create_login("app", verifier("pencil"))


def test_small_role_statements():
    assert roles.forbid_login('a"b') == 'ALTER ROLE "a""b" NOLOGIN;'
    assert roles.disable_subscription("s") == 'ALTER SUBSCRIPTION "s" DISABLE;'
    assert roles.create_database("app", "owner") == 'CREATE DATABASE "app" OWNER "owner";'
    for query in (roles.SUBSCRIPTIONS, roles.USER_MAPPINGS):
        assert "subconninfo" not in query
        assert "umoptions" not in query

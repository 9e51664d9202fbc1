"""The SQL texts against a real PostgreSQL, where its programs and an account for it are installed; else skipped.

`tests/e2e/test_server_of_image.py` runs the same against the programs of castle's own image, and is never skipped for
want of them.
"""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ephemeral_castle.postgres import digest, fence, marker, roles, scram, sql
from ephemeral_castle.postgres.archiving import ArchiveStatus
from ephemeral_castle.postgres.control import only_shutdown_after, parse_control
from ephemeral_castle.postgres.digest import TableDigest
from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.segments import Segment
from tests.unit.postgres.servers import Programs, Server, Session, home_of, serving


def installed() -> Programs | None:
    """Programs of this computer that may be run here, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        return None
    if os.geteuid() != 0:
        return Programs(found[-1].parent)
    runuser = shutil.which("runuser", path="/usr/sbin:/sbin:/usr/bin:/bin")
    account = next((entry for entry in pwd.getpwall() if entry.pw_name == "postgres"), None)
    if runuser is None or account is None:
        return None
    return Programs(found[-1].parent, (runuser, "-u", "postgres", "--"), account.pw_uid)


pytestmark = pytest.mark.skipif(installed() is None, reason="no PostgreSQL server programs here")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    programs = installed()
    assert programs is not None
    with home_of(programs.owner) as home, serving(home, programs) as made:
        yield made


@pytest.fixture(scope="module")
def admin(server: Server) -> Session:
    session = server.psql()
    session.do(sql.SESSION)
    assert session.ask(marker.SCHEMA_STATE)["schema"] is False
    session.do(marker.CREATE)
    session.do(marker.CREATE)
    session.do("CREATE ROLE app LOGIN; CREATE ROLE boss SUPERUSER LOGIN;")
    session.do(roles.create_database("app", "app"))
    session.do("ALTER DATABASE app CONNECTION LIMIT 7; ALTER DATABASE app SET default_transaction_read_only = 'off';")
    return session


def test_own_tables(admin: Session):
    state = admin.ask(marker.SCHEMA_STATE)
    assert state["marked"]
    assert state["owned_by_superuser"]
    assert admin.ask(marker.NEWEST_LIFE) is None
    assert admin.ask(marker.LAST_BEAT) is None
    nonce = "n\\1'; :x \U0001f600"
    for _ in range(2):
        admin.do(marker.insert_marker(nonce, "run", 2))
        admin.do(marker.insert_life(2, "it's"))
        admin.do(marker.BEAT)
    assert admin.ask(marker.find_markers([nonce, "other"])) == [nonce]
    assert admin.ask(marker.find_markers([])) == []
    assert admin.ask(marker.NEWEST_LIFE)["castle_id"] == "it's"
    assert Lsn.parse(admin.ask(marker.LAST_BEAT)["lsn"]) > Lsn(0)


def test_digest_counts_every_row_once_and_only_what_comes_back(server: Server, admin: Session):
    session = server.psql("app")
    session.do(digest.SESSION)
    assert session.ask(digest.USER_TABLES) == 0
    session.do(
        """CREATE TABLE public.t (t text, d date, m money); INSERT INTO public.t VALUES ('a', '2026-01-02', 1.5);
        CREATE TABLE public.child () INHERITS (public.t); INSERT INTO public.child VALUES ('b', NULL, NULL);
        CREATE TABLE public."we.ird ""x" (b bytea); CREATE TABLE public.part (i int) PARTITION BY RANGE (i);
        CREATE TABLE public.part1 PARTITION OF public.part FOR VALUES FROM (0) TO (9);
        INSERT INTO public.part VALUES (1), (2); CREATE UNLOGGED TABLE public.scratch (i int);
        CREATE MATERIALIZED VIEW public.later AS SELECT 1 AS x WITH NO DATA; CREATE SEQUENCE public.s;
        CREATE TABLE public.columnless (); INSERT INTO public.columnless DEFAULT VALUES;"""
    )
    session.lines("SELECT nextval('public.s'); SELECT lo_from_bytea(0, '\\x1234');")
    found = {
        item["name"]: TableDigest.parse(session.word(digest.table_digest(item["schema"], item["name"])))
        for item in session.ask(digest.TABLES)
    }
    assert {name: value.rows for name, value in found.items()} == {
        "t": 1, "child": 1, 'we.ird "x': 0, "part1": 2, "columnless": 1,
    }  # fmt: skip
    assert found['we.ird "x'].total == 0
    assert {item["name"] for item in session.ask(digest.EXCLUDED)} == {"scratch", "later"}
    assert [(s["name"], s["last"]) for s in session.ask(digest.SEQUENCES)] == [("s", 1)]
    assert TableDigest.parse(session.word(digest.LARGE_OBJECTS)).rows == 1
    assert "plpgsql" in session.ask(digest.EXTENSIONS)
    assert {role["name"] for role in session.ask(digest.ROLES)} >= {"app", "postgres"}
    assert session.ask(sql.collation_mismatches(15)) == []
    # The order of rows and a user's formats do not matter, one changed byte does.
    query = digest.table_digest("public", "t")
    session.do("UPDATE public.t SET t = 'z'; UPDATE public.t SET t = 'a';")
    assert TableDigest.parse(session.word(query)) == found["t"]
    session.do("ALTER DATABASE app SET datestyle = 'German'; UPDATE public.t SET t = 'A';")
    assert TableDigest.parse(session.word(query)) != found["t"]
    again = server.psql("app")
    again.do(digest.SESSION + "UPDATE ONLY public.t SET t = 'a'; UPDATE public.child SET t = 'b';")
    assert TableDigest.parse(again.word(query)) == found["t"]


def until(condition: Callable[[], bool], admin: Session) -> bool:
    for _ in range(1000):
        if condition():
            return True
        admin.lines("SELECT pg_sleep(0.01);")  # the server waits, so that it gets on with its work
    return False


def found_breach(admin: Session) -> str | None:
    starting = int(admin.word(fence.starting_sessions()))
    left = fence.parse_writers(admin.word(fence.writers()))
    return fence.breach(starting, left, admin.ask(fence.OPEN_DATABASES), admin.ask(fence.PREPARED_TRANSACTIONS))


def test_fence_holds_names_superusers_and_is_lifted_exactly(server: Server, admin: Session):
    admin.word(fence.terminate())
    assert until(lambda: not admin.ask(fence.writers()), admin)
    limits = fence.parse_limits(admin.word(fence.LIMITS))
    assert fence.DatabaseLimit("app", 7, "off") in limits
    ordinary, superuser = server.psql("app", "app"), server.psql("app", "boss")
    for session in (ordinary, superuser):
        assert session.ask("SELECT 1;") == 1
    admin.do(fence.fence(limits, "run-1"))
    fenced = fence.parse_limits(admin.word(fence.LIMITS))
    assert [(f.name, f.connection_limit, f.read_only) for f in fenced] == [
        (f.name, f.connection_limit, f.read_only) for f in limits
    ]
    admin.do(fence.fence(fenced, "run-2"))
    assert fence.parse_limits(admin.word(fence.LIMITS)) == fenced
    left = fence.parse_writers(admin.word(fence.writers()))
    assert {writer.user for writer in left} == {"app", "boss"}
    assert "boss@app" in (fence.breach(0, left, [], []) or "")
    spared = fence.writers([writer.pid for writer in left])
    assert fence.parse_writers(admin.word(spared)) == ()
    assert admin.word(fence.terminate()) == "2"
    assert "terminat" in "".join(ordinary.lines("SELECT 1;"))
    assert ordinary.lines("SELECT 1;") == []  # psql gave up: the limit keeps it out
    assert "too many connections" in "".join(server.psql("app", "app").lines("SELECT 1;"))
    for session in (ordinary, superuser):
        session.close()
    assert until(lambda: found_breach(admin) is None, admin)
    admin.do("BEGIN; CREATE TABLE public.p (); PREPARE TRANSACTION 'g1';")
    assert "'g1' in postgres" in (fence.breach(0, [], [], admin.ask(fence.PREPARED_TRANSACTIONS)) or "")
    admin.do("ROLLBACK PREPARED 'g1';")
    admin.do(fence.lift(fenced))
    assert fence.parse_limits(admin.word(fence.LIMITS)) == limits


def test_a_fence_made_by_one_script_records_the_same_and_is_lifted_the_same(admin: Session):
    """A restore in place is fenced before anybody can ask it anything."""
    limits = fence.parse_limits(admin.word(fence.LIMITS))
    for _ in range(2):
        admin.do(fence.fence_whole("run-1"))
    fenced = fence.parse_limits(admin.word(fence.LIMITS))
    assert fenced == tuple(replace(limit, fenced=True) for limit in limits)
    assert admin.ask(fence.OPEN_DATABASES) == []
    read_only = "SELECT count(*) FROM pg_db_role_setting WHERE 'default_transaction_read_only=on' = ANY (setconfig);"
    assert admin.word(read_only) == str(len(limits))
    admin.do(fence.lift(fenced))
    assert fence.parse_limits(admin.word(fence.LIMITS)) == limits


def test_roles_take_the_computed_verifier(admin: Session):
    text = scram.verifier("pass\u00a0w\u00ad")
    admin.do(roles.set_verifier("app", text))
    assert admin.word("SELECT rolpassword FROM pg_authid WHERE rolname = 'app';") == text
    admin.do(roles.create_login("o'\\\"x", text))
    state = admin.ask(roles.login_state(["app", "nobody", "boss"]))
    assert state == {
        "unknown": ["o'\\\"x", "postgres"],
        "missing": ["nobody"],
        "expired": [],
        "no_login": [],
        "not_scram": ["boss"],
    }
    admin.do(roles.forbid_login("o'\\\"x"))
    assert admin.ask(roles.login_state(["app", "postgres", "boss"]))["unknown"] == []
    assert admin.ask(roles.SUBSCRIPTIONS) == []
    assert admin.ask(roles.USER_MAPPINGS) == []


@pytest.mark.parametrize("password", ["a\u00a0b", "\u00adx", "\u2168", "\u0007", "\u0221", "\u06271", "\U0001f600"])
def test_passwords_are_prepared_as_postgresql_does(admin: Session, password: str):
    admin.do(f"SET password_encryption = 'scram-sha-256'; ALTER ROLE boss PASSWORD {sql.quote_literal(password)};")
    assert scram.verify(password, admin.word("SELECT rolpassword FROM pg_authid WHERE rolname = 'boss';"))


def test_mark_switch_archive_and_stop(server: Server, admin: Session):
    admin.do(sql.CHECKPOINT)
    mark = admin.ask(sql.MARK)
    admin.word(sql.create_restore_point("run-1"))
    switch = admin.ask(sql.SWITCH_WAL)
    assert switch["timeline"] == mark["timeline"] == int(admin.word(sql.TIMELINE)) == 1
    segment = Segment.finished_by_switch(1, Lsn.parse(switch["lsn"]), switch["segment_size"])
    assert segment == Segment.of(1, Lsn.parse(mark["lsn"]), switch["segment_size"])
    status = sql.archive_status(segment.name())
    assert until(lambda: ArchiveStatus.from_json(admin.ask(status)).archived, admin)
    assert ArchiveStatus.from_json(admin.ask(sql.archive_status(segment.name()))).done
    assert not ArchiveStatus.from_json(admin.ask(sql.archive_status(segment.next().name()))).done
    replay = admin.ask(sql.REPLAY)
    assert (replay["in_recovery"], replay["replayed"], replay["paused"]) == (False, None, "not paused")
    assert admin.ask(sql.history_status(2)) == {"done": False, "ready": False}
    assert admin.ask(sql.SYNCHRONOUS_STANDBYS) == ""
    assert "app" in admin.ask(sql.DATABASES)
    assert admin.word(sql.SYSTEM_ID) == mark["system_id"]

    server.stop()
    try:
        control = parse_control(server.run(str(server.bin / "pg_controldata"), str(server.data)))
    finally:
        server.start()
    assert str(control.system_id) == mark["system_id"]
    next_xid = int(mark["next_xid"])
    reason = only_shutdown_after(control, Lsn.parse(mark["lsn"]), control.wal_segment_size, next_xid=next_xid)
    assert reason is None
    assert only_shutdown_after(control, Lsn.parse(switch["lsn"]), control.wal_segment_size, next_xid=next_xid - 1)


def test_a_parallel_worker_of_our_own_digest_is_no_stranger(server: Server):
    """The mark is set while the digest runs; its workers were taken for superusers that came back."""
    admin, ours = server.psql(), server.psql("postgres")
    pid = int(ours.word("SELECT pg_backend_pid();"))
    ours.do("SET force_parallel_mode = on;")
    ours.input.write("SELECT count(*) FROM (SELECT pg_sleep(0.01) FROM generate_series(1, 300)) AS s;\n")
    ours.input.flush()
    working = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker';"
    assert until(lambda: admin.word(working) != "0", admin)
    assert fence.parse_writers(admin.word(fence.writers([pid]))) == ()
    assert len(fence.parse_writers(admin.word(fence.writers()))) == 2
    ours.close()


def test_a_beat_of_our_own_beside_the_heartbeat_is_not_refused(server: Server):
    """`castle restore` failed now and then: both wrote the row at once, and a digest's session sees one state."""
    admin, ours, other = server.psql(), server.psql(), server.psql()
    admin.do(sql.SESSION + marker.CREATE)
    ours.do(digest.SESSION)
    other.do("BEGIN;" + marker.BEAT)
    ours.input.write(marker.BEAT_BESIDE + "\n")
    ours.input.flush()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock';"
    assert until(lambda: admin.word(waiting) == "1", admin)
    other.do("COMMIT;")
    assert ours.lines("SELECT 1;") == ["1"]

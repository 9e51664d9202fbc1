from __future__ import annotations

import configparser
from dataclasses import replace

import pytest

from ephemeral_castle.postgres.bouncer import PgBouncer, PoolMode, render_pgbouncer, render_userlist
from ephemeral_castle.postgres.config import Access, LocalRepository, PgBackRest, S3Repository, render_pgbackrest
from ephemeral_castle.postgres.scram import verifier
from ephemeral_castle.postgres.serverconf import (
    Login,
    Server,
    archive_command,
    render_hba,
    render_postgresql,
    restore_command,
)

S3 = S3Repository(
    bucket="castle-here",
    region="us-east-1",
    host="treasury.castle",
    port=9000,
    path="/here/database",
    key="life-3",
    key_secret="s3-secret#1",
    cipher_pass="pass%(x)s",
    ca_file="/run/castle/ca.pem",
)
WRITER = PgBackRest(
    stanza="castle",
    data="/var/lib/postgresql/15/main",
    s3=S3,
    local=LocalRepository("/var/lib/pgbackrest", "local-pass"),
    process_max=4,
)


def parsed(options: PgBackRest) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(comment_prefixes=("#",), inline_comment_prefixes=None)
    parser.read_string(render_pgbackrest(options))
    return parser


def test_the_writer_archives_asynchronously_and_never_expires():
    conf = parsed(WRITER)
    everywhere = conf["global"]
    assert everywhere["repo1-type"] == "s3"
    assert everywhere["repo1-path"] == "/here/database"
    assert everywhere["repo1-s3-uri-style"] == "path"
    assert everywhere["repo1-storage-verify-tls"] == "y"
    assert everywhere["repo1-storage-port"] == "9000"
    assert everywhere["repo1-cipher-type"] == everywhere["repo2-cipher-type"] == "aes-256-cbc"
    assert everywhere["repo1-cipher-pass"] == "pass%(x)s"
    assert everywhere["repo1-s3-key-secret"] == "s3-secret#1"
    assert everywhere["repo1-bundle"] == everywhere["repo2-bundle"] == "y"
    assert (everywhere["repo1-retention-full"], everywhere["repo2-retention-full"]) == ("4", "2")
    assert (everywhere["compress-type"], everywhere["compress-level"], everywhere["process-max"]) == ("zst", "1", "4")
    assert everywhere["log-level-console"] == "off"
    assert conf["castle"]["pg1-path"] == "/var/lib/postgresql/15/main"
    assert conf["global:archive-push"]["archive-async"] == "y"
    assert conf["global:archive-get"]["archive-async"] == "n"
    assert conf["global:backup"]["expire-auto"] == "n"
    assert not conf.has_section("global:restore")


def test_a_reader_never_archives_and_has_no_local_repository():
    conf = parsed(replace(WRITER, access=Access.READER, local=None, async_get=True))
    assert conf["global:restore"]["archive-mode"] == "off"
    assert conf["global:archive-get"]["archive-async"] == "y"
    assert not conf.has_section("global:archive-push")
    assert "repo2-path" not in conf["global"]
    with pytest.raises(ValueError, match="only the writer"):
        render_pgbackrest(replace(WRITER, access=Access.READER))


def test_a_keeper_may_expire():
    conf = parsed(replace(WRITER, access=Access.KEEPER, local=None))
    assert not conf.has_section("global:backup")
    assert conf["global"]["repo1-retention-full"] == "4"


def test_an_ipv6_endpoint_stands_in_brackets_and_host_style_is_possible():
    conf = parsed(replace(WRITER, s3=replace(S3, host="fd00::1", path_style=False, ca_file="")))
    assert conf["global"]["repo1-s3-endpoint"] == "[fd00::1]"
    assert conf["global"]["repo1-s3-uri-style"] == "host"
    assert "repo1-storage-ca-file" not in conf["global"]


def test_secrets_do_not_show_in_a_repr():
    shown = repr(WRITER)
    for secret in ("s3-secret#1", "pass%(x)s", "local-pass"):
        assert secret not in shown


@pytest.mark.parametrize(
    "options",
    [
        replace(WRITER, stanza="a]\n[b"),
        replace(WRITER, stanza=""),
        replace(WRITER, data="relative"),
        replace(WRITER, data="/a/../b"),
        replace(WRITER, port=0),
        replace(WRITER, process_max=0),
        replace(WRITER, archive_timeout=0),
        replace(WRITER, s3=replace(S3, path="castle")),
        replace(WRITER, s3=replace(S3, key_secret="x\nrepo1-storage-verify-tls=n")),
        replace(WRITER, s3=replace(S3, cipher_pass="")),
        replace(WRITER, s3=replace(S3, cipher_pass=" blank")),
        replace(WRITER, s3=replace(S3, bucket="a b")),
        replace(WRITER, s3=replace(S3, retention_full=0)),
        replace(WRITER, s3=replace(S3, port=70000)),
    ],
)
def test_impossible_values(options: PgBackRest):
    with pytest.raises(ValueError) as caught:
        render_pgbackrest(options)
    assert "verify-tls" not in str(caught.value)


SERVER = Server(stanza="castle", config="/run/castle/pgbackrest.conf", hba_file="/run/castle/pg_hba.conf")


def conf_lines(server: Server) -> dict[str, str]:
    pairs = (line.split(" = ", 1) for line in render_postgresql(server).splitlines())
    return {name: value[1:-1].replace("''", "'").replace("\\\\", "\\") for name, value in pairs}


def test_server_settings():
    lines = conf_lines(
        replace(SERVER, listen=("10.89.77.4", "::1"), settings={"shared_buffers": "128MB", "app.name": "it's \\"})
    )
    assert lines["listen_addresses"] == "10.89.77.4,::1"
    assert lines["archive_mode"] == "on"
    assert lines["archive_command"] == (
        "pgbackrest --config=/run/castle/pgbackrest.conf --stanza=castle archive-push %p"
    )
    assert lines["password_encryption"] == "scram-sha-256"
    assert lines["synchronous_standby_names"] == ""
    assert lines["app.name"] == "it's \\"


def test_a_proof_never_archives():
    lines = conf_lines(replace(SERVER, archive=False))
    assert (lines["archive_mode"], lines["archive_command"], lines["archive_timeout"]) == ("off", "", "0")


def test_limits_of_the_former_primary_are_not_undercut():
    minimums = {"max_connections": "300", "max_worker_processes": "8", "wal_level": "replica"}
    lines = conf_lines(replace(SERVER, settings={"max_connections": "50"}, minimums=minimums))
    assert (lines["max_connections"], lines["max_worker_processes"]) == ("300", "8")
    assert (
        conf_lines(replace(SERVER, settings={"max_connections": "500"}, minimums=minimums))["max_connections"] == "500"
    )


@pytest.mark.parametrize(
    "server",
    [
        replace(SERVER, settings={"archive_command": "/bin/true"}),
        replace(SERVER, settings={"Archive_Mode": "off"}),
        replace(SERVER, settings={"fsync": "off"}),
        replace(SERVER, settings={"a b": "1"}),
        replace(SERVER, settings={"work_mem": "1\nfsync = off"}),
        replace(SERVER, settings={"max_connections": "many"}, minimums={"max_connections": "5"}),
        replace(SERVER, archive_timeout=0),
        replace(SERVER, listen=("example.org",)),
        replace(SERVER, config="/run/$(reboot)/x"),
        replace(SERVER, stanza="a b"),
    ],
)
def test_impossible_server_settings(server: Server):
    with pytest.raises(ValueError):
        render_postgresql(server)


def test_commands_of_the_server():
    assert archive_command("castle", "/c.conf").endswith("archive-push %p")
    assert restore_command("castle", "/c.conf") == 'pgbackrest --config=/c.conf --stanza=castle archive-get %f "%p"'


def test_hba_lets_listed_logins_in_and_nobody_else():
    lines = render_hba([Login("app", "writer", "10.89.77.0/24"), Login("all", "all", "::1/128")]).splitlines()
    assert lines[0] == 'local all "postgres" peer'
    assert 'host "app" "writer" 10.89.77.0/24 scram-sha-256' in lines
    assert 'host all "all" ::1/128 scram-sha-256' in lines  # a role that is called all
    assert lines.index('host all "postgres" all reject') < lines.index(
        'host "app" "writer" 10.89.77.0/24 scram-sha-256'
    )
    assert lines[-1] == "host all all all reject"
    assert not any("trust" in line for line in lines)


@pytest.mark.parametrize(
    "login",
    [
        Login("app", "postgres", "10.0.0.0/8"),
        Login("app", "", "10.0.0.0/8"),
        Login("app", 'a"b', "10.0.0.0/8"),
        Login("a\nb", "x", "10.0.0.0/8"),
        Login("app", "x", "10.0.0.1/8"),
        Login("app", "x", "everywhere"),
    ],
)
def test_impossible_logins(login: Login):
    with pytest.raises(ValueError):
        render_hba([login])


BOUNCER = PgBouncer(databases=("app",), host="10.89.77.4", auth_file="/run/castle/userlist.txt", admins=("castle",))


def bouncer(options: PgBouncer) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read_string(render_pgbouncer(options))
    return parser


def test_pgbouncer():
    conf = bouncer(replace(BOUNCER, socket="/run/castle", settings={"query_wait_timeout": "5"}))
    assert conf["databases"]["app"] == "host=10.89.77.4 port=5432 dbname=app"
    options = conf["pgbouncer"]
    assert (options["auth_type"], options["pool_mode"]) == ("scram-sha-256", "transaction")
    assert float(options["server_login_retry"]) < 1
    assert options["unix_socket_dir"] == "/run/castle"
    assert (options["admin_users"], options["query_wait_timeout"]) == ("castle", "5")
    assert bouncer(replace(BOUNCER, pool_mode=PoolMode.SESSION))["pgbouncer"]["pool_mode"] == "session"


@pytest.mark.parametrize(
    "options",
    [
        replace(BOUNCER, databases=("pgbouncer",)),
        replace(BOUNCER, databases=("a = b",)),
        replace(BOUNCER, host="a b"),
        replace(BOUNCER, host="a\nb"),
        replace(BOUNCER, admins=("a, b",)),
        replace(BOUNCER, settings={"auth_type": "any"}),
        replace(BOUNCER, settings={"x": "1\nauth_type=any"}),
        replace(BOUNCER, max_client_conn=0),
        replace(BOUNCER, auth_file="relative"),
    ],
)
def test_impossible_pgbouncer_options(options: PgBouncer):
    with pytest.raises(ValueError):
        render_pgbouncer(options)


def test_userlist_holds_the_same_verifier():
    text = verifier("pencil")
    assert render_userlist({"b": text, 'a"x': text}) == f'"a""x" "{text}"\n"b" "{text}"\n'
    assert render_userlist({}) == ""


@pytest.mark.parametrize(("user", "text"), [("a", "pencil"), ("a", "md5x"), ("", ""), ("a\nb", "")])
def test_userlist_takes_no_clear_password_and_no_line_break(user: str, text: str):
    with pytest.raises(ValueError) as caught:
        render_userlist({user: text or verifier("pencil")})
    assert "pencil" not in str(caught.value)

"""Users, their Secrets, and what the stand-in for PGO does in the database itself."""

from __future__ import annotations

import base64
import json

import pytest
from testbed.standins.pgo import names, users

from tests.standins.pgo_bed import BOUNCER, Bed, living, source, spec

pytestmark = [pytest.mark.usefixtures("few_certificates"), pytest.mark.evidence("stand-in", "pgo")]


def _secret(bed: Bed, name: str) -> dict[str, str]:
    data = bed.the("Secret", name)["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def test_a_users_secret_holds_all_that_an_application_needs():
    data = _secret(living(spec(**BOUNCER)), "db-pguser-app")
    assert sorted(data) == [
        "dbname", "host", "jdbc-uri", "password", "pgbouncer-host", "pgbouncer-jdbc-uri", "pgbouncer-port",
        "pgbouncer-uri", "port", "uri", "user", "verifier",
    ]  # fmt: skip
    assert data["host"] == "db-primary.data.svc"
    assert data["pgbouncer-host"] == "db-pgbouncer.data.svc"
    assert data["uri"].startswith("postgresql://app:")
    assert data["uri"].endswith("@db-primary.data.svc:5432/app")


def test_a_secret_that_says_whose_it_is_keeps_its_password():
    bed = Bed(spec(dataSource=source()))
    labels = {names.CLUSTER: "db", names.ROLE: "pguser", names.PGUSER: "app"}
    meta = {"name": "db-pguser-app", "namespace": "data", "labels": labels}
    given = {"password": base64.b64encode(b"as before").decode()}
    bed.put({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": given})
    bed.settle()
    bed.job("db-pgbackrest-restore")
    bed.settle()
    data = _secret(bed, "db-pguser-app")
    assert data["password"] == "as before"
    assert (
        users.verifier("as before", base64.b64decode(data["verifier"].split("$")[1].split(":")[1])) == data["verifier"]
    )
    assert data["verifier"] in bed.sql()


def test_a_new_secret_sets_a_new_password_in_the_role():
    bed = living()
    assert _secret(bed, "db-pguser-app")["verifier"] in bed.sql()
    assert 'ALTER ROLE "app"' in bed.sql()


def test_the_secret_of_a_user_that_is_not_wanted_any_more_goes():
    bed = living()
    bed.cluster(spec(users=[{"name": "other"}]))
    bed.settle()
    assert [each for each in bed.names("Secret") if "pguser" in each] == ["db-pguser-other"]
    assert "dbname" not in _secret(bed, "db-pguser-other")


def test_without_users_there_is_one_who_is_called_like_the_cluster():
    given = spec()
    del given["users"]
    bed = living(given)
    assert _secret(bed, "db-pguser-db")["dbname"] == "db"
    bed.cluster(spec(users=[]))
    bed.settle()
    assert [each for each in bed.names("Secret") if "pguser" in each] == []


def test_a_verifier_is_what_postgresql_makes_of_a_password():
    # The example of RFC 7677, section 3: its proofs were made with these keys.
    made = users.verifier("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
    assert made == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )


def test_nothing_is_done_again_in_the_database_when_nothing_changed():
    bed = living(spec(**BOUNCER))
    bed.ran.clear()
    bed.settle()
    assert bed.ran == []


def test_init_sql_runs_again_in_a_restored_cluster_and_its_errors_stop_nothing():
    bed = Bed(spec(dataSource=source(), databaseInitSQL={"name": "init", "key": "init.sql"}))
    meta = {"name": "init", "namespace": "data"}
    bed.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"init.sql": "CREATE TABLE t ();"}})
    bed.settle()
    bed.job("db-pgbackrest-restore")
    bed.settle()
    argv = next(argv for argv, stdin in bed.ran if stdin == "CREATE TABLE t ();")
    assert "ON_ERROR_STOP=1" not in argv
    assert bed.status["databaseInitSQL"] == "init"


def test_options_that_set_a_password_are_dropped_with_an_event():
    bed = living(spec(users=[{"name": "app", "options": "SUPERUSER PASSWORD 'x'"}]))
    assert "InvalidUser" in bed.events()
    assert "SUPERUSER" not in bed.sql()


def test_parameters_of_the_spec_win_over_defaults_but_not_over_what_the_operator_needs():
    given = {"archive_timeout": 10, "archive_command": "rm -rf /", "shared_preload_libraries": "pg_stat_statements"}
    bed = living(spec(config={"parameters": given}))
    told = json.loads(bed.the("ConfigMap", "db-config")["data"]["patroni.yaml"])["parameters"]
    assert told["archive_timeout"] == "10"
    assert told["archive_command"] == 'pgbackrest --stanza=db archive-push "%p"'
    assert told["shared_preload_libraries"] == "pgaudit,pg_stat_statements"
    assert (told["wal_level"], told["ssl"]) == ("logical", "on")


def test_a_parameter_that_changes_reaches_the_living_server():
    bed = living()
    bed.ran.clear()
    bed.cluster({**bed.spec, "config": {"parameters": {"work_mem": "8MB"}}})
    bed.passes()
    argv, stdin = bed.ran[0]
    assert argv == ["python3", "-m", "standins.pgo.member", "edit"]
    assert json.loads(stdin)["parameters"]["work_mem"] == "8MB"


def test_pgbouncer_taken_out_of_the_spec_goes_with_its_role():
    bed = living(spec(**BOUNCER))
    bed.ran.clear()
    bed.cluster(spec())
    bed.settle()
    assert "db-pgbouncer" not in [*bed.names("Service"), *bed.names("Secret"), *bed.names("Deployment")]
    assert "DROP SCHEMA IF EXISTS pgbouncer" in bed.sql()
    assert bed.condition("ProxyAvailable") == ""

"""A living cluster with a PostgresCluster is adopted, and its return rehearsed beside it; nothing is touched.

The tests are one story, in this order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.kubernetes.castles import parts
from tests.kubernetes.guests import KINDS, Guest, guest_of, limited
from tests.kubernetes.guests import versions as versions_of
from tests.kubernetes.pgo_castles import PgoCastle, pgo_castle
from tests.systems import CLUSTER

pytestmark = [
    pytest.mark.machines,
    pytest.mark.kubernetes,
    pytest.mark.timeout(1200),
    pytest.mark.evidence("real", *CLUSTER, "guest"),
    pytest.mark.evidence("stand-in", "pgo"),
]
ROWS = 1000
SPACES = ("data", "postgres-operator")


@pytest.fixture(scope="module")
def host() -> Iterator[PgoCastle]:
    with parts() as given, pgo_castle(given) as made:
        made.cluster(made.wanted("/adopted"))
        made.until("PGBackRestReplicaCreate", "True/RepoBackupComplete")
        made.sql("CREATE TABLE ledger (i int primary key, body text)")
        made.sql(f"INSERT INTO ledger SELECT i, 'row ' || i FROM generate_series(1, {ROWS}) AS i")
        made.sql("SELECT pg_switch_wal()")
        yield made


@pytest.fixture(scope="module")
def guest(host: PgoCastle) -> Iterator[Guest]:
    with guest_of(host) as made:
        yield made


def versions(host: PgoCastle, *namespaces: str) -> dict[str, str]:
    """Of the operator's objects, too."""
    return versions_of(host, *namespaces, kinds=f"{KINDS},postgresclusters")


def spaces(host: PgoCastle) -> list[str]:
    """Names of all namespaces."""
    return sorted(each["metadata"]["name"] for each in host.objects("namespaces"))


def test_adopt_finds_the_database_and_changes_nothing(host: PgoCastle, guest: Guest) -> None:
    before = versions(host, *SPACES)
    found = guest.adopt()
    assert versions(host, *SPACES) == before
    fates = {each["what"]: each["fate"] for each in found["findings"]}
    assert fates["PostgresCluster data/db"] == "look"  # born without a data source
    assert fates["Secret data/db-s3"] == "lost"
    assert "driver: pgbackrest, namespace: data, cluster: db" in guest.file.read_text()
    assert host.s3.keys.secret_key.reveal() not in json.dumps(found) + guest.file.read_text()


def test_doctor_knows_the_cluster(guest: Guest) -> None:
    checks = json.loads(guest.castle("doctor", "--json", ok=False).stdout)["checks"]
    mine = {each["title"]: each["ok"] for each in checks if each["section"] == "cluster"}
    assert mine == {mine_title(mine): True, "version": True, "rights": True}


def mine_title(checks: dict[str, bool]) -> str:
    """The line about the context."""
    return next(each for each in checks if each.startswith("context "))


def test_drill_restores_beside_the_living_one_and_leaves_nothing(host: PgoCastle, guest: Guest) -> None:
    before, homes = versions(host, *SPACES), spaces(host)
    archived = host.sql("SELECT archived_count FROM pg_stat_archiver")
    guest.castle("drill")
    assert versions(host, *SPACES) == before
    assert spaces(host) == homes
    facts = guest.facts("db/read")
    assert facts["digest"]["app.public.ledger"][0] == str(ROWS)
    assert facts["system_id"] == host.status()["patroni"]["systemIdentifier"]
    assert host.sql("SELECT timeline_id FROM pg_control_checkpoint()") == "1"
    assert int(host.sql("SELECT count(*) FROM pg_stat_archiver WHERE failed_count > 0")) == 0
    assert int(host.sql("SELECT archived_count FROM pg_stat_archiver")) - int(archived) <= 2  # by its own timeout


def test_a_drill_by_the_wrong_pass_fails_and_leaves_nothing(host: PgoCastle, guest: Guest) -> None:
    before = spaces(host)
    wrong = {"stringData": {"s3.conf": host.configuration("another pass")}}
    host.kubectl("-n", "data", "patch", "secret", "db-s3", "--type=merge", "-p", json.dumps(wrong))
    try:
        failed = guest.castle("drill", ok=False)
    finally:
        right = {"stringData": {"s3.conf": host.configuration()}}
        host.kubectl("-n", "data", "patch", "secret", "db-s3", "--type=merge", "-p", json.dumps(right))
    assert failed.returncode == 4, failed.stdout + failed.stderr
    said = failed.stdout + failed.stderr
    assert "does not come back from its repository" in said
    assert "another pass" not in said
    assert spaces(host) == before


def test_what_castle_does_not_run_it_does_not_destroy(host: PgoCastle, guest: Guest) -> None:
    for verb in ("wipe", "rebirth"):
        refused = guest.castle(verb, "--confirm", guest.name, ok=False)
        assert refused.returncode == 9, refused.stdout + refused.stderr
        assert "castle does not run database `db`" in refused.stdout + refused.stderr
    assert host.sql("SELECT count(*) FROM ledger") == str(ROWS)


def test_a_raise_takes_the_castle_into_the_record_and_touches_nothing(host: PgoCastle, guest: Guest) -> None:
    before = versions(host, *SPACES)
    guest.castle("raise", "--adopt")
    assert versions(host, *SPACES) == before
    guest.castle("drill")
    status = json.loads(guest.castle("status", "--json", ok=False).stdout)
    assert status["state"] == "up", status
    assert status["treasures"]["db"]["proof"]["label"] == guest.facts("db/read")["label"]


def test_with_just_the_printed_role_a_drill_works_and_without_any_rule_of_it_nothing_begins(
    host: PgoCastle, guest: Guest
) -> None:
    role = json.loads(guest.castle("adopt", "--rbac", "--json").stdout)["role"]
    before = spaces(host)
    with limited(host, guest, role) as config:
        guest.kubeconfig = config
        guest.castle("drill")
        for number in range(len(role["rules"])):
            less = {**role, "rules": [rule for index, rule in enumerate(role["rules"]) if index != number]}
            host.kubectl("replace", "-f", "-", stdin=json.dumps(less))
            refused = guest.castle("drill", ok=False)
            assert refused.returncode in (4, 9), f"without {role['rules'][number]}: {refused.stdout}{refused.stderr}"
            assert spaces(host) == before

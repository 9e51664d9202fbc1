"""The stand-in for PGO on real nodes: PostgreSQL, pgBackRest and PgBouncer in pods, an encrypted repository in S3.

The tests are one story, in this order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from testbed.standins.pgo import names

from tests.kubernetes.castles import parts
from tests.kubernetes.pgo_castles import PgoCastle, pgo_castle
from tests.systems import CLUSTER

pytestmark = [
    pytest.mark.machines,
    pytest.mark.kubernetes,
    pytest.mark.timeout(900),
    pytest.mark.evidence("real", *CLUSTER, "postgresql", "pgbackrest", "pgbouncer", "s3"),
    pytest.mark.evidence("stand-in", "pgo"),
]
TIMELINE = "SELECT timeline_id FROM pg_control_checkpoint()"
ROWS = "SELECT count(*) FROM ledger"
REPO2 = {
    "name": "repo2",
    "volume": {
        "volumeClaimSpec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    },
}  # fmt: skip
BACKED_UP = ("PGBackRestReplicaCreate", "True/RepoBackupComplete")


@pytest.fixture(scope="module")
def castle() -> Iterator[PgoCastle]:
    with parts() as given, pgo_castle(given) as made:
        yield made


def until(castle: PgoCastle, look: Callable[[], bool], seconds: float = 120) -> None:
    """Waits; a pod that does not answer is waited for, too."""
    end = time.monotonic() + seconds
    while True:
        try:
            if look():
                return
        except AssertionError:
            pass
        assert time.monotonic() < end, castle.story()
        time.sleep(1)


def test_birth_by_create_serves_through_pgbouncer_and_backs_up_into_both_repositories(castle: PgoCastle) -> None:
    wanted = castle.wanted("/story", backrest={"more_repos": [REPO2], "manual": {"repoName": "repo2"}})
    castle.cluster(wanted)
    castle.until(*BACKED_UP)
    assert castle.login("uri") == "app"
    assert castle.login("pgbouncer-uri") == "app"
    castle.cluster(wanted, **{names.BACKREST_BACKUP: "one"})
    castle.until("PGBackRestManualBackupSuccessful", "True/ManualBackupComplete")
    told = castle.inside("pgbackrest", "info", "--stanza=db")
    assert "repo1: aes-256-cbc" in told
    assert "repo2: backup set size" in told
    castle.sql("CREATE TABLE ledger (i int); INSERT INTO ledger VALUES (1)")


def test_parameters_reach_the_living_server_and_what_needs_a_restart_gets_it(castle: PgoCastle) -> None:
    parameters = {"parameters": {"work_mem": "8MB", "max_connections": 77}}
    castle.cluster(castle.wanted("/story", backrest={"more_repos": [REPO2]}, config=parameters))
    until(castle, lambda: castle.sql("SHOW work_mem") == "8MB")
    until(castle, lambda: castle.sql("SHOW max_connections") == "77")


def test_a_pod_that_is_deleted_comes_back_with_its_database(castle: PgoCastle) -> None:
    castle.kubectl("-n", "data", "delete", "pod", castle.primary(), timeout=90)
    until(castle, lambda: castle.sql(ROWS) == "1")
    assert castle.sql(TIMELINE) == "1"


def test_data_source_added_to_the_living_cluster_restores_over_its_data(castle: PgoCastle) -> None:
    """What no castle may ever do: the volume is kept, and written over."""
    claims = ("-n", "data", "get", "pvc", "-o", "jsonpath={.items[*].metadata.uid}")
    before = castle.kubectl(*claims)
    castle.cluster(castle.wanted("/story", restored=True, backrest={"more_repos": [REPO2]}))
    until(castle, lambda: castle.condition("PGBackRestoreProgressing").startswith("True/"))
    castle.until("PostgresDataInitialized", "True/PGBackRestRestoreComplete")
    until(castle, lambda: castle.sql(TIMELINE) == "2")
    assert castle.kubectl(*claims) == before
    castle.until(*BACKED_UP)


def test_a_deleted_cluster_comes_home_from_the_bucket_alone(castle: PgoCastle) -> None:
    identifier = castle.status()["patroni"]["systemIdentifier"]
    castle.sql("INSERT INTO ledger VALUES (2)")
    castle.kubectl("-n", "data", "delete", "postgrescluster", "db", "--timeout=90s", timeout=100)
    until(castle, lambda: not castle.kubectl("-n", "data", "get", "pvc", "-o", "name"))
    castle.cluster(castle.wanted("/story", restored=True))
    until(castle, lambda: castle.condition("PGBackRestoreProgressing") == "True/ReadyForRestore")
    assert "observedGeneration" not in castle.status()
    castle.until("PostgresDataInitialized", "True/PGBackRestRestoreComplete")
    castle.until(*BACKED_UP)
    assert castle.status()["patroni"]["systemIdentifier"] == identifier
    assert castle.sql(ROWS) == "2"
    assert castle.sql(TIMELINE) == "3"
    assert castle.login("pgbouncer-uri") == "app"


def test_a_repository_of_another_database_is_taken_over_and_its_newest_backup_is_empty(castle: PgoCastle) -> None:
    """The trap of the real operator: a cluster without a data source on a path that is not empty."""
    castle.kubectl("-n", "data", "delete", "postgrescluster", "db", "--timeout=90s", timeout=100)
    castle.cluster(castle.wanted("/story"))
    castle.until(*BACKED_UP)
    told = castle.inside("pgbackrest", "info", "--stanza=db")
    assert "db (prior)" in told
    assert castle.sql("SELECT to_regclass('ledger') IS NULL") == "t"


def test_a_restore_that_cannot_read_its_repository_ends_with_75_and_keeps_progressing(castle: PgoCastle) -> None:
    castle.kubectl("-n", "data", "delete", "postgrescluster", "db", "--timeout=90s", timeout=100)
    castle.cluster(castle.wanted("/nothing-lies-here", restored=True))
    selector = f"{names.BACKREST_RESTORE}"
    state = "jsonpath={.items[0].status.containerStatuses[0].state.terminated.exitCode}"
    until(castle, lambda: castle.kubectl("-n", "data", "get", "pods", "-l", selector, "-o", state) == "75")
    assert "no backup set found to restore" in castle.kubectl("-n", "data", "logs", "-l", selector, "--tail=20")
    until(castle, lambda: castle.status()["pgbackrest"]["restore"].get("failed") == 1)
    assert castle.condition("PGBackRestoreProgressing") == "True/ReadyForRestore"
    assert castle.condition("PostgresDataInitialized") == ""

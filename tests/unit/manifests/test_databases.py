"""Objects of database and storage operators, and of MetalLB: what looks ready and is not."""

from __future__ import annotations

from typing import Any

import pytest

from ephemeral_castle.manifests import ready
from ephemeral_castle.manifests.readiness import Manifest
from tests.unit.manifests.samples import condition, conditions, made

READY, WAITING, FAILED = "ready", "waiting", "failed"


def postgres(*found: dict[str, Any], spec: dict[str, Any] | None = None, **status: Any) -> Manifest:
    whole = {
        "observedGeneration": 2,
        "instances": [
            {"name": "a", "replicas": 2, "readyReplicas": 2},
            {"name": "01", "replicas": 1, "readyReplicas": 1},
        ],
        "patroni": {"systemIdentifier": "7100000000000000001"},
        "proxy": {"pgBouncer": {"replicas": 1, "readyReplicas": 1}},
        **status,
    }
    wanted = {"instances": [{"name": "a", "replicas": 2}, {}], "proxy": {"pgBouncer": {}}, **(spec or {})}
    api = "postgres-operator.crunchydata.com/v1beta1"
    return made(api, "PostgresCluster", spec=wanted, status=conditions(*found, **whole))


def cnpg(*found: dict[str, Any], spec: dict[str, Any] | None = None, **status: Any) -> Manifest:
    whole = {"phase": "Cluster in healthy state", "readyInstances": 1, **status}
    return made(
        "postgresql.cnpg.io/v1", "Cluster", spec={"instances": 1, **(spec or {})}, status=conditions(*found, **whole)
    )


def volume(*found: dict[str, Any], spec: dict[str, Any] | None = None, **status: Any) -> Manifest:
    whole = {"state": "detached", "robustness": "unknown", **status}
    return made("longhorn.io/v1beta2", "Volume", spec=spec or {}, status=conditions(*found, **whole))


def target(spec: dict[str, Any] | None = None, **status: Any) -> Manifest:
    return made("longhorn.io/v1beta2", "BackupTarget", spec=spec or {}, status=status)


PLAIN = condition("Ready")
BACKUP = {"fromBackup": "s3://x"}
CASES: list[tuple[str, Manifest, str, str]] = [
    ("a database", postgres(), READY, "only a login shows"),
    (
        "a database that restores",
        postgres(condition("PGBackRestoreProgressing", reason="ReadyForRestore"), observedGeneration=None),
        WAITING,
        "ReadyForRestore",
    ),
    (
        "a database whose restore fails and fails",
        postgres(condition("PGBackRestoreProgressing"), pgbackrest={"restore": {"failed": 2}}),
        WAITING,
        "failed 2 times",
    ),
    (
        "a database whose restore gave up",
        postgres(condition("PostgresDataInitialized", "False", "PGBackRestRestoreFailed", "exit 75")),
        FAILED,
        "exit 75",
    ),
    (
        "a database whose restore Job has just ended",
        postgres(condition("PostgresDataInitialized"), instances=[]),
        WAITING,
        "instances a: 0 of 2",
    ),
    ("a database that nobody has seen", postgres(observedGeneration=None), WAITING, "has not seen it yet"),
    ("a database of the spec before", postgres(observedGeneration=1), WAITING, "generation 1"),
    (
        "a set that is not whole",
        postgres(instances=[{"name": "a", "replicas": 1, "readyReplicas": 1}]),
        WAITING,
        "instances a: 1 of 2",
    ),
    ("a set without a name", postgres(instances=[{"name": "a", "readyReplicas": 2}]), WAITING, "instances 01: 0 of 1"),
    ("a database that nobody leads", postgres(patroni={}), WAITING, "no instance leads"),
    ("a pooler that is missing", postgres(condition("ProxyAvailable"), proxy={}), WAITING, "PgBouncer: 0 of 1"),
    ("a database that is paused", postgres(spec={"paused": True}), WAITING, "spec.paused"),
    ("a database that is shut down", postgres(spec={"shutdown": True}), WAITING, "spec.shutdown"),
    ("a healthy cluster", cnpg(PLAIN), READY, "healthy"),
    (
        "a cluster that has a volume",
        cnpg(condition("Initialized"), phase="Setting up primary"),
        WAITING,
        "Setting up primary",
    ),
    (
        "a cluster without archive",
        cnpg(PLAIN, spec={"plugins": [{"isWALArchiver": True}]}),
        WAITING,
        "nothing was archived",
    ),
    (
        "a cluster that cannot archive",
        cnpg(
            PLAIN,
            condition("ContinuousArchiving", "False", message="Expected empty archive"),
            spec={"plugins": [{"isWALArchiver": True}]},
        ),
        WAITING,
        "Expected empty archive",
    ),
    (
        "a cluster that archives",
        cnpg(PLAIN, condition("ContinuousArchiving"), spec={"backup": {}, "plugins": [{"isWALArchiver": True}]}),
        READY,
        "",
    ),
    (
        "a cluster that is lost",
        cnpg(PLAIN, phase="Cluster is unrecoverable and needs manual intervention", phaseReason="7 times"),
        FAILED,
        "7 times",
    ),
    ("a cluster with too few instances", cnpg(PLAIN, spec={"instances": 3}), WAITING, "1 of 3"),
    ("a volume that is detached", volume(), READY, "detached"),
    (
        "a volume whose data still comes",
        volume(spec=BACKUP, restoreInitiated=True, restoreRequired=True),
        WAITING,
        "being restored",
    ),
    ("a volume whose restore has not begun", volume(spec=BACKUP), WAITING, "being restored"),
    ("a volume that is restored", volume(spec=BACKUP, restoreInitiated=True), READY, ""),
    (
        "a volume whose restore failed",
        volume(condition("Restore", "False", "RestoreFailure", "404"), spec=BACKUP),
        FAILED,
        "404",
    ),
    ("a faulted volume", volume(robustness="faulted"), FAILED, "faulted"),
    (
        "a volume without a disk",
        volume(condition("Scheduled", "False", "ReplicaSchedulingFailure")),
        WAITING,
        "ReplicaSchedulingFailure",
    ),
    ("a volume on its way", volume(state="attaching"), WAITING, "attaching"),
    ("a volume nobody has seen", made("longhorn.io/v1beta2", "Volume", status={}), WAITING, "has not seen it yet"),
    ("a target whose backups were not listed", target(available=True), WAITING, "not listed yet"),
    (
        "a target that was listed before it was asked",
        target({"syncRequestedAt": "2026-01-02T00:00:00Z"}, available=True, lastSyncedAt="2026-01-01T00:00:00Z"),
        WAITING,
        "not listed yet",
    ),
    (
        "a target that was listed",
        target({"syncRequestedAt": "2026-01-01T00:00:00Z"}, available=True, lastSyncedAt="2026-01-02T00:00:00Z"),
        READY,
        "",
    ),
    ("a target that is closed", target(conditions=[condition("Unavailable", message="403")]), WAITING, "403"),
    (
        "a backup that failed",
        made("longhorn.io/v1beta2", "Backup", status={"state": "Error", "error": "no space"}),
        FAILED,
        "no space",
    ),
    (
        "a backup on its way",
        made("longhorn.io/v1beta2", "Backup", status={"state": "InProgress"}),
        WAITING,
        "InProgress",
    ),
    ("a pool that nobody counted", made("metallb.io/v1beta1", "IPAddressPool"), WAITING, "not counted"),
    (
        "a pool that is empty",
        made("metallb.io/v1beta1", "IPAddressPool", status={"availableIPv4": 0, "assignedIPv4": 0}),
        WAITING,
        "no addresses",
    ),
    (
        "a pool",
        made("metallb.io/v1beta1", "IPAddressPool", status={"availableIPv4": 8, "assignedIPv4": 2}),
        READY,
        "10 addresses",
    ),
]


@pytest.mark.parametrize(("manifest", "stage", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_readiness(manifest: Manifest, stage: str, words: str) -> None:
    seen = ready.judge(manifest)
    assert (seen.stage, words in seen.why) == (stage, True), seen


@pytest.mark.parametrize("manifest", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_being_deleted_is_never_ready(manifest: Manifest) -> None:
    meta = {**manifest["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
    assert ready.judge({**manifest, "metadata": meta}).stage == WAITING


@pytest.mark.parametrize("manifest", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_what_has_no_status_yet_is_not_ready(manifest: Manifest) -> None:
    young = {**manifest, "status": {}}
    assert ready.judge(young).stage == WAITING


def test_a_database_has_to_be_the_one() -> None:
    judge = ready.postgres_cluster("7100000000000000001")
    assert judge(postgres()).stage == READY
    seen = judge(postgres(patroni={"systemIdentifier": "9"}))
    assert (seen.stage, seen.why) == (FAILED, "it serves the database 9, and 7100000000000000001 is wanted")


def test_a_database_may_have_to_have_its_backup() -> None:
    judge = ready.postgres_cluster(backup=True)
    assert judge(postgres()).why == "the backup that follows a birth is not there yet"
    bad = condition("PGBackRestReplicaCreate", "False", "RepoBackupFailed")
    assert "RepoBackupFailed" in judge(postgres(bad)).why
    assert judge(postgres(condition("PGBackRestReplicaCreate"))).stage == READY

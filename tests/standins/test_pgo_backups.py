"""Stanza, first backup, schedules and manual backups of the stand-in for PGO."""

from __future__ import annotations

import pytest
from testbed.standins.execs import Ended
from testbed.standins.pgo import names

from tests.standins.pgo_bed import BOUNCER, CLAIM, REPO, S3, Bed, backups, living, spec

pytestmark = [pytest.mark.usefixtures("few_certificates"), pytest.mark.evidence("stand-in", "pgo")]


def test_the_stanza_is_made_and_told():
    bed = living()
    assert "StanzasCreated" in bed.events()
    assert bed.condition("PGBackRestReplicaRepoReady") == "True/StanzaCreated"
    assert bed.status["pgbackrest"]["repos"][0]["stanzaCreated"] is True


def _stanza(verb: str, said: str):
    """A pgBackRest that refuses one verb."""
    return lambda argv, _: Ended(28, "", said) if verb in argv else None


def test_a_repository_of_another_database_is_taken_over_without_a_word():
    bed = Bed(spec())
    bed.run = _stanza(
        "stanza-create", "ERROR: [028]: backup and archive info files exist but do not match the database"
    )
    bed.settle()
    assert "stanza-upgrade" in bed.ran[-1][0] or any("stanza-upgrade" in argv for argv, _ in bed.ran)
    assert bed.condition("PGBackRestReplicaRepoReady") == "True/StanzaCreated"
    assert "UnableToCreateStanzas" not in bed.events()


def test_a_repository_that_refuses_is_asked_again_and_the_database_serves():
    bed = Bed(spec(**BOUNCER))
    bed.run = _stanza("stanza-create", "ERROR: [039]: S3 request failed with 403")
    bed.settle()
    bed.once()
    assert "UnableToCreateStanzas" in bed.events()
    assert bed.again == 10
    assert bed.condition("PGBackRestReplicaRepoReady") == "False/StanzaNotCreated"
    assert bed.condition("ProxyAvailable").startswith("True/")
    assert bed.status["observedGeneration"] == 1


def test_a_configuration_that_is_still_on_its_way_is_waited_for_without_an_event():
    bed = Bed(spec())
    bed.run = _stanza("stanza-create", "postgres operator error: pgBackRest config hash mismatch")
    bed.settle()
    bed.once()
    assert "UnableToCreateStanzas" not in bed.events()
    assert bed.again == 10


def test_a_backup_follows_every_birth_and_schedules_wait_for_it():
    schedules = {"full": "0 1 * * 0", "differential": "0 1 * * 1-6"}
    bed = Bed(spec(backups=backups(repos=[{**REPO, "schedules": schedules}])))
    bed.settle()
    job = bed.the("Job")
    assert job["metadata"]["labels"][names.BACKREST_BACKUP] == "replica-create"
    assert job["spec"]["template"]["spec"]["containers"][0]["command"][-4:] == [
        "/bin/pgbackrest", "backup", "--stanza=db", "--repo=1",
    ]  # fmt: skip
    assert bed.condition("PGBackRestReplicaCreate") == "False/RepoBackupNotComplete"
    assert bed.find("CronJob") == []
    bed.job(job["metadata"]["name"])
    bed.settle()
    assert bed.condition("PGBackRestReplicaCreate") == "True/RepoBackupComplete"
    assert bed.names("CronJob") == ["db-repo1-diff", "db-repo1-full"]


def test_a_first_backup_that_fails_is_made_anew():
    bed = Bed(spec())
    bed.settle()
    first = bed.the("Job")["metadata"]["name"]
    bed.job(first, "Failed")
    bed.settle()
    assert bed.the("Job")["metadata"]["name"] != first


def test_another_bucket_needs_a_stanza_and_a_backup_again_another_path_does_not():
    bed = living()
    bed.cluster(spec(backups=backups(**{"global": {"repo1-path": "/elsewhere"}})))
    bed.settle()
    assert bed.status["pgbackrest"]["repos"][0]["stanzaCreated"] is True
    bed.ran.clear()
    other = {"name": "repo1", "s3": {**S3, "bucket": "other"}}
    bed.cluster(spec(backups=backups(repos=[other])))
    bed.settle()
    assert any("stanza-create" in argv for argv, _ in bed.ran)
    assert bed.condition("PGBackRestReplicaCreate") == "False/RepoBackupNotComplete"


MANUAL = {"repoName": "repo1", "options": ["--type=full"]}


def test_a_manual_backup_waits_for_the_first_and_is_done_once():
    bed = Bed(spec(backups=backups(manual=MANUAL)), annotations={names.BACKREST_BACKUP: "one"})
    bed.settle()
    assert len(bed.find("Job")) == 1
    bed.job(bed.names("Job")[0])
    bed.settle()
    manual = next(each for each in bed.find("Job") if each["metadata"]["labels"][names.BACKREST_BACKUP] == "manual")
    assert manual["metadata"]["annotations"][names.BACKREST_BACKUP] == "one"
    assert manual["spec"]["template"]["spec"]["containers"][0]["command"][-1] == "--type=full"
    bed.job(manual["metadata"]["name"])
    bed.settle()
    assert bed.condition("PGBackRestManualBackupSuccessful") == "True/ManualBackupComplete"
    assert bed.status["pgbackrest"]["manualBackup"] == {"id": "one", "finished": True, "succeeded": 1}
    bed.api.delete(manual)
    bed.settle()
    assert len(bed.find("Job")) == 1  # its id is done for good
    bed.cluster(bed.spec, {names.BACKREST_BACKUP: "two"})
    bed.settle()
    assert bed.status["pgbackrest"]["manualBackup"] == {"id": "two", "finished": False}


def test_a_manual_backup_that_failed_is_not_tried_again():
    bed = living(spec(backups=backups(manual=MANUAL)))
    bed.cluster(bed.spec, {names.BACKREST_BACKUP: "one"})
    bed.settle()
    manual = next(each for each in bed.find("Job") if each["metadata"]["labels"][names.BACKREST_BACKUP] == "manual")
    bed.job(manual["metadata"]["name"], "Failed")
    bed.settle()
    assert bed.condition("PGBackRestManualBackupSuccessful") == "False/ManualBackupFailed"
    assert bed.status["pgbackrest"]["manualBackup"]["finished"] is True


def test_a_manual_backup_may_not_name_its_repository_itself():
    bed = living(spec(backups=backups(manual={"repoName": "repo1", "options": ["--repo=2"]})))
    bed.cluster(bed.spec, {names.BACKREST_BACKUP: "one"})
    bed.settle()
    assert "InvalidManualBackup" in bed.events()
    assert len(bed.find("Job")) == 1


def test_a_repository_on_a_volume_has_a_pod_and_instances_archive_through_it():
    volume = {"name": "repo2", "volume": {"volumeClaimSpec": CLAIM}, "schedules": {"full": "0 1 * * 0"}}
    bed = living(spec(backups=backups(repos=[REPO, volume])))
    assert bed.condition("PGBackRestRepoHostReady") == "True/RepoHostReady"
    data = bed.the("ConfigMap", "db-pgbackrest-config")["data"]
    assert "repo2-host = db-repo-host-0.db-pods.data.svc.cluster.local" in data["pgbackrest_instance.conf"]
    assert "repo2-" not in data["pgbackrest_cloud.conf"]
    assert "repo2-path = /pgbackrest/repo2" in data["pgbackrest_repo.conf"]
    container = bed.the("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    env = {each["name"]: each["value"] for each in container["env"]}
    assert env["COMMAND_OPTS"] == "--stanza=db --repo=2 --type=full"
    assert bed.status["instances"] == [{"name": "a", "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1}]

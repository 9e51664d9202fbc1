"""What the stand-in for PGO tears down: on demand, and where nobody meant it. Both are the real operator's ways."""

from __future__ import annotations

import json

import pytest
from testbed.standins.pgo import names

from tests.standins.pgo_bed import BOUNCER, CLAIM, REPO, Bed, backups, living, restored, source, spec

pytestmark = [pytest.mark.usefixtures("few_certificates"), pytest.mark.evidence("stand-in", "pgo")]


def test_data_source_added_to_a_living_cluster_restores_over_its_data():
    bed = living()
    volume = bed.the("PersistentVolumeClaim")["metadata"]
    bed.cluster({**bed.spec, "dataSource": source()})
    bed.once()
    assert bed.condition("PGBackRestoreProgressing") == "True/RestoreInPlaceRequested"
    assert "removing runners" in json.dumps(bed.status["conditions"])
    assert bed.find("StatefulSet") == []
    bed.kubelet()  # the pod ends with what made it
    bed.once()
    assert "removing DCS" in json.dumps(bed.status["conditions"])
    assert [each for each in bed.names("Endpoints") if each.startswith("db-ha")] == []
    bed.settle()
    assert bed.the("PersistentVolumeClaim")["metadata"]["uid"] == volume["uid"]
    pod = bed.the("Job", "db-pgbackrest-restore")["spec"]["template"]["spec"]
    assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": volume["name"]}
    assert "--delta" in pod["containers"][0]["args"][0]
    assert "systemIdentifier" not in bed.status["patroni"]


def test_taking_data_source_away_and_giving_it_back_is_harmless():
    bed = restored()
    uid = bed.the("StatefulSet")["metadata"]["uid"]
    given = bed.spec
    del given["dataSource"]
    bed.cluster(given)
    bed.settle()
    bed.cluster(spec(dataSource=source(options=["--type=immediate"])))
    bed.settle()
    assert bed.the("StatefulSet")["metadata"]["uid"] == uid
    assert bed.condition("PGBackRestoreProgressing") == ""


def test_backups_taken_away_while_data_source_stands_restore_over_the_data():
    bed = restored()
    given = bed.spec
    del given["backups"]
    bed.cluster(given)
    bed.once()
    assert bed.status["pgbackrest"] == {}
    bed.settle()
    assert bed.find("StatefulSet") == []
    assert bed.names("Job") == ["db-pgbackrest-restore"]


def test_backups_taken_away_where_nothing_lies_on_a_volume_need_no_second_key():
    bed = living()
    given = bed.spec
    del given["backups"]
    bed.cluster(given)
    bed.settle()
    assert bed.condition("Progressing") == ""
    assert "db-pgbackrest-config" not in bed.names("ConfigMap")
    assert (
        json.loads(bed.the("ConfigMap", "db-config")["data"]["patroni.yaml"])["parameters"]["archive_command"] == "true"
    )


def test_backups_on_a_volume_are_taken_away_only_with_the_second_key():
    volume = {"name": "repo2", "volume": {"volumeClaimSpec": CLAIM}}
    bed = living(spec(backups=backups(repos=[REPO, volume])))
    assert bed.names("PersistentVolumeClaim")[-1] == "db-repo2"
    given = bed.spec
    del given["backups"]
    bed.cluster(given)
    bed.settle()
    assert bed.condition("Progressing") == "False/Paused"
    assert "db-repo2" in bed.names("PersistentVolumeClaim")
    bed.cluster(given, {names.REMOVAL_AUTHORIZED: "true"})
    bed.settle()
    assert "db-repo2" not in bed.names("PersistentVolumeClaim")
    assert "db-repo-host" not in bed.names("StatefulSet")


def test_a_restore_in_place_takes_annotation_and_spec_together():
    restore = {"enabled": True, "repoName": "repo1"}
    bed = living(spec(backups=backups(restore=restore)))
    uid = bed.the("StatefulSet")["metadata"]["uid"]
    bed.settle()
    assert bed.the("StatefulSet")["metadata"]["uid"] == uid
    bed.cluster(bed.spec, {names.BACKREST_RESTORE: "first"})
    bed.settle()
    assert bed.status["pgbackrest"]["restore"]["id"] == "first"
    bed.job("db-pgbackrest-restore")
    bed.settle()
    assert bed.condition("PostgresDataInitialized") == "True/PGBackRestRestoreComplete"
    assert len(bed.find("StatefulSet")) == 1


def test_a_restore_in_place_that_ends_while_data_source_stands_is_followed_by_the_first_one():
    restore = {"enabled": True, "repoName": "repo1"}
    bed = restored(spec(dataSource=source(), backups=backups(restore=restore)))
    bed.cluster(bed.spec, {names.BACKREST_RESTORE: "first"})
    bed.settle()
    bed.job("db-pgbackrest-restore")
    bed.settle()
    bed.cluster(spec(dataSource=source()))
    bed.settle()
    assert bed.status["pgbackrest"]["restore"]["id"] == "~pgo-bootstrap-db"
    assert bed.find("StatefulSet") == []


def test_paused_changes_nothing_and_says_so():
    bed = living()
    bed.ran.clear()
    given = {**bed.spec, "paused": True, "users": [{"name": "other", "databases": ["other"]}]}
    bed.cluster(given)
    bed.settle()
    assert bed.condition("Progressing") == "False/Paused"
    assert bed.ran == []
    assert "db-pguser-other" not in bed.names("Secret")
    assert bed.status["observedGeneration"] == 1
    bed.cluster({**given, "paused": False})
    bed.settle()
    assert bed.condition("Progressing") == ""
    assert "db-pguser-other" in bed.names("Secret")


def test_shutdown_stops_everything_and_remembers_who_led():
    bed = living(spec(**BOUNCER))
    name = bed.the("StatefulSet")["metadata"]["name"]
    bed.cluster({**bed.spec, "shutdown": True})
    bed.settle()
    assert bed.find("Pod") == []
    assert bed.the("Deployment")["spec"]["replicas"] == 0
    assert bed.status["startupInstance"] == name
    bed.cluster({**bed.spec, "shutdown": False})
    bed.settle()
    assert bed.the("StatefulSet")["metadata"]["name"] == name
    assert "startupInstance" not in bed.status


def test_a_deleted_cluster_stops_before_it_goes_and_takes_its_volumes_along():
    bed = living(spec(**BOUNCER))
    assert bed.the(names.KIND)["metadata"]["finalizers"] == [names.FINALIZER]
    bed.api.delete(bed.the(names.KIND))
    bed.once()
    assert bed.the("StatefulSet")["spec"]["replicas"] == 0
    assert bed.find(names.KIND), "it waits for its pods"
    bed.kubelet()
    bed.settle()
    assert {each["kind"] for each in bed.api.things.values()} == {"Event"}


def test_a_foreign_finalizer_is_not_lost():
    bed = Bed(spec())
    bed.the(names.KIND)["metadata"]["finalizers"] = ["other"]
    bed.once()
    assert bed.the(names.KIND)["metadata"]["finalizers"] == ["other", names.FINALIZER]

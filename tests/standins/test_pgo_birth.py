"""How the stand-in for PGO brings a cluster into being, and when it looks at one."""

from __future__ import annotations

import json

import pytest
from testbed.standins.api import Change
from testbed.standins.pgo import names
from testbed.standins.pgo.__main__ import Operator
from testbed.standins.pgo.moment import Failed

from tests.standins.pgo_bed import BOUNCER, Bed, allowed, living, restored, source, spec

pytestmark = [pytest.mark.usefixtures("few_certificates"), pytest.mark.evidence("stand-in", "pgo")]


def test_birth_by_create_makes_everything_under_its_real_name():
    bed = Bed(spec(**BOUNCER))
    bed.settle()
    instance = bed.names("StatefulSet")[0]
    assert instance.startswith("db-a-")
    assert len(instance) == len("db-a-") + 4
    assert bed.names("Service") == [
        "db-ha", "db-ha-config", "db-pgbouncer", "db-pods", "db-primary", "db-replicas",
    ]  # fmt: skip
    assert bed.names("Secret") == [
        f"{instance}-certs", "db-cluster-cert", "db-pgbackrest", "db-pgbouncer", "db-pguser-app",
        "db-replication-cert", "pgo-root-cacert",
    ]  # fmt: skip
    assert bed.names("ConfigMap") == [
        f"{instance}-config", "db-config", "db-pgbackrest-config", "db-pgbouncer",
    ]  # fmt: skip
    assert bed.names("PersistentVolumeClaim") == [f"{instance}-pgdata"]
    assert bed.names("ServiceAccount") == ["db-instance", "db-pgbackrest"]
    assert bed.the("Deployment")["metadata"]["name"] == "db-pgbouncer"
    pod = bed.the("Pod")
    assert pod["metadata"]["labels"][names.ROLE] == "master"
    assert [each["name"] for each in pod["spec"]["containers"]] == ["database", "pgbackrest"]
    assert bed.status["observedGeneration"] == 1
    assert bed.status["instances"] == [{"name": "a", "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1}]


def test_birth_by_create_has_no_word_of_a_restore():
    bed = living()
    assert bed.condition("PGBackRestoreProgressing") == bed.condition("PostgresDataInitialized") == ""
    assert "restore" not in bed.status["pgbackrest"]


def test_the_primary_service_leads_to_the_address_of_the_leaders_service():
    bed = living()
    address = bed.the("Service", "db-ha")["spec"]["clusterIP"]
    assert bed.the("Endpoints", "db-primary")["subsets"][0]["addresses"] == [{"ip": address}]
    assert bed.the("Endpoints", "db-ha")["subsets"][0]["addresses"] == [{"ip": "10.0.0.7"}]
    assert bed.the("Service", "db-primary")["spec"]["clusterIP"] == "None"


def test_the_system_identifier_comes_from_what_the_members_agreed_upon():
    bed = Bed(spec())
    bed.settle(leads=False)
    assert "systemIdentifier" not in bed.status["patroni"]
    bed.settle()
    assert bed.status["patroni"]["systemIdentifier"] == bed.identifier


def test_nothing_is_run_in_a_database_that_does_not_lead():
    bed = Bed(spec(**BOUNCER))
    bed.settle(leads=False)
    assert bed.ran == []
    assert bed.condition("PGBackRestReplicaRepoReady") == "False/StanzaNotCreated"


def test_a_pod_that_became_ready_without_leading_is_looked_at_again_after_a_second():
    bed = Bed(spec())
    bed.settle(leads=False)
    pod = bed.the("Pod")
    pod["status"]["conditions"][0]["status"] = "True"
    bed.once()
    assert bed.again == 1


def test_everything_belongs_to_the_cluster_and_goes_with_it():
    bed = living(spec(**BOUNCER))
    uid = bed.the(names.KIND)["metadata"]["uid"]
    mine = [each for each in bed.api.things.values() if each["kind"] not in ("Event", "Pod", names.KIND)]
    by_members = {"db-ha", "db-ha-config"}
    for each in mine:
        if each["kind"] != "Endpoints" or each["metadata"]["name"] not in by_members:
            assert [owner["uid"] for owner in each["metadata"]["ownerReferences"]] == [uid], each["metadata"]["name"]
    assert "controller" not in bed.the("Secret", "pgo-root-cacert")["metadata"]["ownerReferences"][0]


def test_the_operators_rights_cover_all_that_it_asks_for():
    beds = [living(spec(**BOUNCER, databaseInitSQL={"name": "no", "key": "no"})), restored()]
    for bed in beds:
        bed.api.delete(bed.the(names.KIND))
        bed.settle()
        bed.api.asked.add(("get", "", "pods/exec"))
        people = {("delete", names.GROUP, "postgresclusters")}
        assert [each for each in sorted(bed.api.asked - people) if not allowed(each)] == []


def test_a_missing_image_is_an_event_and_nothing_else():
    bed = Bed(spec())
    del bed.images["RELATED_IMAGE_PGBACKREST"]
    with pytest.raises(Failed, match="RELATED_IMAGE_PGBACKREST"):
        bed.once()
    assert bed.events() == ["MissingRequiredImage"]
    assert bed.status == {}


def test_a_change_of_the_template_gives_the_pod_up():
    bed = living()
    first = bed.the("Pod")["metadata"]["uid"]
    given = bed.spec
    given["instances"][0]["resources"] = {"limits": {"memory": "1Gi"}}
    bed.cluster(given)
    bed.passes()
    runner = bed.the("StatefulSet")
    runner["status"] |= {"observedGeneration": runner["metadata"]["generation"], "updateRevision": "2"}
    bed.passes()
    assert bed.find("Pod") == []
    bed.kubelet()
    assert bed.the("Pod")["metadata"]["uid"] != first


def test_all_through_a_restore_nothing_says_which_generation_was_seen():
    bed = Bed(spec(dataSource=source(), **BOUNCER))
    bed.settle()
    assert "observedGeneration" not in bed.status
    assert bed.names("StatefulSet") == bed.names("Deployment") == []
    assert "db-primary" not in bed.names("Service")
    assert "db-pguser-app" not in bed.names("Secret")
    assert bed.status["pgbackrest"]["restore"] == {"id": "~pgo-bootstrap-db", "finished": False}
    assert bed.names("Job") == ["db-pgbackrest-restore"]


def test_a_birth_by_restore_calls_itself_in_place():
    bed = Bed(spec(dataSource=source()))
    bed.once()
    assert bed.condition("PGBackRestoreProgressing") == "True/ReadyForRestore"
    assert "Restoring cluster in-place" in json.dumps(bed.status["conditions"])
    assert bed.find("Job") == []
    assert bed.status["startupInstance"] == names.startup_instance("db", "a")


def test_the_restores_job_is_configured_from_the_data_source_alone():
    given = spec(dataSource=source(**{"global": {"repo1-path": "/other", "repo1-cipher-type": "aes-256-cbc"}}))
    bed = Bed(given)
    bed.settle()
    text = bed.the("ConfigMap", "db-pgbackrest-config")["data"]["pgbackrest_instance.conf"]
    assert "repo1-path = /other" in text
    assert "repo1-cipher-type" in text
    assert "/castle/db" not in text
    pod = bed.the("Job")["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert pod["containers"][0]["name"] == "pgbackrest-restore"
    assert pod["containers"][0]["args"] == [
        "--stanza=db --pg1-path=/pgdata/pg17 --repo=1 --delta --link-map=pg_wal=/pgdata/pg17_wal"
    ]


def test_a_target_is_promoted_and_options_stay_as_they_were_written():
    bed = Bed(spec(dataSource=source(options=["--type=time", "--target='2026-05-01 10:00:00+00'"])))
    bed.settle()
    line = bed.the("Job")["spec"]["template"]["spec"]["containers"][0]["args"][0]
    assert line.startswith("--type=time --target='2026-05-01 10:00:00+00' --stanza=db")
    assert "--target-action=promote" in line


@pytest.mark.parametrize("option", ["--repo=2", "--stanza=x", "--pg1-path=/x", "--target-action=pause", "--link-map=a"])
def test_a_forbidden_option_is_an_event_and_then_nothing_happens(option):
    bed = Bed(spec(dataSource=source(options=[option])))
    bed.settle()
    assert bed.events() == ["InvalidDataSource"]
    assert bed.find("Job") == []


def test_the_job_is_mirrored_while_it_runs():
    bed = Bed(spec(dataSource=source()))
    bed.settle()
    bed.the("Job")["status"] = {"active": 1, "failed": 2, "startTime": "2026-01-01T00:00:00Z"}
    bed.passes()
    told = bed.status["pgbackrest"]["restore"]
    assert (told["active"], told["failed"], told["finished"]) == (1, 2, False)
    assert bed.condition("PostgresDataInitialized") == ""


def test_when_the_restore_is_done_the_rest_comes_in_the_same_pass():
    bed = Bed(spec(dataSource=source()))
    bed.settle()
    bed.job("db-pgbackrest-restore")
    bed.once()
    assert bed.condition("PostgresDataInitialized") == "True/PGBackRestRestoreComplete"
    assert bed.condition("PGBackRestoreProgressing") == ""
    assert bed.status["observedGeneration"] == 1
    assert bed.names("StatefulSet") == [names.startup_instance("db", "a")]
    assert bed.names("PersistentVolumeClaim") == [f"{names.startup_instance('db', 'a')}-pgdata"]


def test_a_restored_cluster_forgets_the_job_once_it_lives_but_not_the_restores_id():
    bed = restored()
    assert "db-pgbackrest-restore" not in bed.names("Job")
    assert bed.status["pgbackrest"]["restore"]["id"] == "~pgo-bootstrap-db"
    assert bed.status["pgbackrest"]["restore"]["finished"] is True
    assert bed.condition("PostgresDataInitialized") == "True/PGBackRestRestoreComplete"


def test_a_restore_that_gave_up_says_so_and_goes_on_progressing():
    bed = Bed(spec(dataSource=source()))
    bed.settle()
    bed.job("db-pgbackrest-restore", "Failed")
    bed.settle()
    assert bed.condition("PostgresDataInitialized") == "False/PGBackRestRestoreFailed"
    assert bed.condition("PGBackRestoreProgressing") == "True/ReadyForRestore"
    assert bed.status["pgbackrest"]["restore"]["failed"] == 7
    assert bed.find("StatefulSet") == []


def test_a_corrected_path_starts_no_new_restore_but_deleting_the_job_does():
    bed = Bed(spec(dataSource=source()))
    bed.settle()
    bed.job("db-pgbackrest-restore", "Failed")
    first = bed.the("Job")["metadata"]["uid"]
    bed.cluster(spec(dataSource=source(**{"global": {"repo1-path": "/right"}})))
    bed.settle()
    assert bed.the("Job")["metadata"]["uid"] == first
    bed.api.delete(bed.the("Job"))
    bed.settle()
    assert bed.the("Job")["metadata"]["uid"] != first
    assert "/right" in bed.the("ConfigMap", "db-pgbackrest-config")["data"]["pgbackrest_instance.conf"]


def test_another_option_while_a_restore_runs_begins_it_anew():
    bed = Bed(spec(dataSource=source()))
    bed.settle()
    first = bed.the("Job")["metadata"]["uid"]
    bed.cluster(spec(dataSource=source(options=["--type=immediate"])))
    bed.settle()
    assert bed.the("Job")["metadata"]["uid"] != first


def _pod(role: str, version: str = "1") -> Change:
    labels = {names.CLUSTER: "db", **({names.ROLE: role} if role else {})}
    meta = {"uid": "p", "name": "db-a-0", "namespace": "data", "labels": labels, "resourceVersion": version}
    return Change("MODIFIED", {"kind": "Pod", "metadata": meta})


def test_of_its_pods_only_one_that_begins_to_lead_wakes_it():
    operator = Operator(Bed(spec()).api, [""], {})
    assert operator._touched("Pod", _pod("")) is None
    assert operator._touched("Pod", _pod("master")) == ("data", "db")
    assert operator._touched("Pod", _pod("master", "2")) is None


def test_what_it_owns_wakes_it():
    operator = Operator(Bed(spec()).api, [""], {})
    owner = {"kind": names.KIND, "name": "db", "uid": "u"}
    meta = {"uid": "j", "name": "x", "namespace": "data", "labels": {}, "ownerReferences": [owner]}
    assert operator._touched("Job", Change("MODIFIED", {"kind": "Job", "metadata": meta})) == ("data", "db")

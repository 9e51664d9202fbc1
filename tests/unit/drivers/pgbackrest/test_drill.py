"""A drill beside a living database of an operator: it touches nothing of that, and leaves nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ephemeral_castle.drivers.pgbackrest.claims import wanted
from ephemeral_castle.errors import Permanent, Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.claims import explained
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from tests import living
from tests.unit.drivers.pgbackrest.bed import ID, LAYER, SPACE, Bed

POSTGRES = Ref(f"{living.PGO}/v1beta1", "PostgresCluster", "db", "data")
NAMESPACE = Ref("v1", "Namespace", SPACE)


def play(bed: Bed, work: Any) -> Any:
    return bed.clock.play(work)


def one(bed: Bed, kind: str, name: str) -> Manifest:
    return next(each for each in bed.api.all(kind) if each["metadata"]["name"] == name)


def test_it_reads_every_row_and_leaves_nothing() -> None:
    bed = Bed()
    before = bed.living()
    play(bed, bed.whole())
    facts = bed.known["db.read"]
    assert (facts["tables"], facts["rows"], facts["label"]) == (1, 7, "20261121-010000F")
    assert facts["sealed:db"]["proof"]["by"] == "drill"
    assert bed.living() == before
    assert NAMESPACE not in bed.api.objects
    assert [ref for ref in bed.api.objects if ref.namespace == SPACE] == []


def test_nothing_of_it_archives_and_nobody_can_reach_it() -> None:
    bed = Bed()
    play(bed, bed.step("look"))
    play(bed, bed.step("restore"))
    pod = one(bed, "Pod", "drill")
    restore, serve = pod["spec"]["initContainers"][0]["command"][2], pod["spec"]["containers"][0]["command"][2]
    assert "--archive-mode=off" in restore
    for setting in ("archive_mode=off", "archive_command=", "listen_addresses=", "max_logical_replication_workers=0"):
        assert setting in serve
    assert "shared_preload_libraries=" in serve
    assert pod["spec"]["containers"][0]["image"] == "registry/postgres:17"
    assert bed.api.all("Service") == [each for each in bed.api.all("Service") if each["metadata"]["namespace"] != SPACE]
    policy = next(each for each in bed.api.all("NetworkPolicy") if each["metadata"]["namespace"] == SPACE)
    assert policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}


def test_what_archives_or_names_another_repository_is_left_out_of_its_configuration() -> None:
    bed = Bed()
    play(bed, bed.step("restore"))
    files = one(bed, "Secret", "castle-files")["stringData"]
    lines = files["pgbackrest.conf"].splitlines()
    assert {"repo1-path=/castle/db", "repo1-type=s3", "repo1-s3-bucket=vault", "repo1-cipher-type=aes-256-cbc"} <= {
        *lines
    }
    assert not [line for line in lines if line.startswith(("archive-", "repo2-", "spool-"))]


def test_every_object_carries_the_drills_own_mark() -> None:
    bed = Bed()
    play(bed, bed.step("restore"))
    made = [each for ref, each in bed.api.objects.items() if SPACE in (ref.namespace, ref.name)]
    assert len(made) >= 6
    assert {each["metadata"]["labels"]["castle.id"] for each in made} == {f"{ID}.drill"}


def test_what_an_earlier_drill_left_is_removed_first() -> None:
    bed = Bed()
    play(bed, bed.step("restore"))
    first = bed.api.objects[NAMESPACE]["metadata"]["uid"]
    bed.run = "20261122-110000-cafe"
    play(bed, bed.step("restore"))
    assert bed.api.objects[NAMESPACE]["metadata"]["uid"] != first


def test_a_namespace_of_somebody_else_is_neither_used_nor_removed() -> None:
    bed = Bed()
    bed.api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
    with pytest.raises(Refused, match="not our mark"):
        play(bed, bed.step("restore"))
    with pytest.raises(Refused, match="not our mark"):
        play(bed, bed.step("remove"))
    assert NAMESPACE in bed.api.objects


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("ERROR: [075]: no backup set found to restore", "the repository is empty"),
        ("WARN: repo1: [CryptoError] unable to load info file", "the cipher pass is not the one"),
        ("WARN: repo1: [ProtocolError] HTTP request failed with 403 (Forbidden)", "the bucket refuses the key"),
    ],
)
def test_a_restore_that_fails_says_why_and_is_undone(said: str, hint: str) -> None:
    bed = Bed()
    bed.ends = (75, said)
    with pytest.raises(Permanent, match="does not come back") as caught:
        play(bed, bed.step("restore"))
    assert said in caught.value.why
    assert hint in caught.value.hints[0]
    step = next(each for each in bed.steps() if each.action == "restore")
    play(bed, bed.driver.undo(step, bed.ctx))
    assert NAMESPACE not in bed.api.objects


def test_another_database_in_the_repository_is_no_return() -> None:
    """`stanza-upgrade` of an empty cluster takes a repository over: its newest backup is of that one."""
    bed = Bed()
    bed.system_id = "7000000000000000009"
    play(bed, bed.step("restore"))
    with pytest.raises(Permanent, match="another database"):
        play(bed, bed.step("read"))


def test_a_secret_that_the_cluster_names_and_nobody_made_is_told() -> None:
    bed = Bed()
    bed.api.remove(Ref("v1", "Secret", "db-s3", "data"))
    with pytest.raises(Permanent, match="cannot be read without it"):
        play(bed, bed.step("restore"))


def change(bed: Bed, **spec: Any) -> None:
    """Somebody applies the PostgresCluster anew."""
    found = bed.api.objects[POSTGRES]
    found["spec"] = {**found["spec"], **spec}


def test_a_database_whose_backups_die_with_it_is_refused() -> None:
    bed = Bed()
    change(bed, backups={"pgbackrest": {"repos": [{"name": "repo1", "volume": {}}]}})
    with pytest.raises(Refused, match="no repository outside") as caught:
        play(bed, bed.step("look"))
    assert "repo1 (volume)" in caught.value.why


def test_without_a_pod_there_is_no_image_to_restore_by() -> None:
    bed = Bed()
    bed.api.remove(Ref("v1", "Pod", "db-a-x7k2-0", "data"))
    with pytest.raises(Refused, match="no pod of this database"):
        play(bed, bed.step("look"))


def test_a_class_that_keeps_its_volumes_would_keep_a_copy_of_all_data() -> None:
    bed = Bed()
    bed.api.objects[Ref("storage.k8s.io/v1", "StorageClass", "longhorn")]["reclaimPolicy"] = "Retain"
    with pytest.raises(Refused, match="cannot carry a drill"):
        play(bed, bed.step("look"))


def test_a_raise_of_a_database_that_is_missing_was_left_to_flux_which_makes_it_empty() -> None:
    bed = Bed(verb=Verb.RAISE)
    bed.api.remove(POSTGRES)
    with pytest.raises(Refused, match="there is no PostgresCluster data/db"):
        play(bed, bed.step("look"))


@pytest.mark.parametrize("verb", [Verb.WIPE, Verb.REBIRTH, Verb.SEAL, Verb.BACKUP, Verb.RESTORE])
def test_what_castle_does_not_run_it_neither_destroys_nor_changes(verb: Verb) -> None:
    with pytest.raises(Refused, match="castle does not run database `db`"):
        Bed(verb=verb).steps()


def test_it_claims_just_what_it_uses() -> None:
    """What it takes to say why something is not ready is asked for by the client itself."""
    bed = Bed()
    bed.api.put({**living.thing("v1", "ConfigMap", "more", "data"), "data": {"a.conf": ""}})
    backrest = bed.api.objects[POSTGRES]["spec"]["backups"]["pgbackrest"]
    backrest["configuration"].append({"configMap": {"name": "more"}})
    play(bed, bed.whole())
    claimed = set(wanted(LAYER, bed.options, bed.request))
    assert bed.api.used - claimed == set()
    assert claimed - bed.api.used <= set(explained(SPACE))


def test_with_just_its_claims_it_works() -> None:
    bed = Bed()
    bed.api.granted = set(wanted(LAYER, bed.options, bed.request))
    play(bed, bed.whole())
    assert NAMESPACE not in bed.api.objects


def test_no_secret_of_the_living_database_is_in_its_facts_or_words() -> None:
    bed = Bed()
    play(bed, bed.whole())
    told = json.dumps([dict(each) for each in bed.known.values()]) + " ".join(bed.said)
    assert living.HIDDEN not in told
    assert "bmV2ZXItdG8tYmUtdG9sZC00NzEx" not in told

"""The lock before a PostgresCluster, on a real API server: whoever asks, and whatever for."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest
from testbed.standins.pgo import crd

from ephemeral_castle.drivers.postgres.pgo.birth import CREATE, RESTORE, STANDS, Birth
from ephemeral_castle.drivers.postgres.pgo.guard import Guard, manifests
from ephemeral_castle.drivers.postgres.pgo.locking import proven
from ephemeral_castle.errors import Permanent
from ephemeral_castle.manifests import ready as rules
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.world.kubernetes import HttpCluster
from tests.standins.pgo_bed import CLAIM

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.evidence("real", "api-server"),
    pytest.mark.evidence("stand-in", "pgo"),
]
PATH = "/castle/pgbackrest/database"
OPTIONS = ("--set=20261122-1F", "--target-timeline=3", "--type=name", "--target=castle-r1")
LOCK = Guard("c0ffee00-0000-4000-8000-000000000001", "database", "data", "db", PATH, Birth(RESTORE, OPTIONS), 2)
EMPTY = "an empty database would take over the repository"
API, KIND = "postgres-operator.crunchydata.com/v1beta1", "PostgresCluster"
DB = Ref(API, KIND, "db", "data")


def born(*, source: Any = None, name: str = "db", namespace: str = "data", path: str = PATH) -> Manifest:
    """A cluster, with `dataSource` where one is given."""
    s3 = {"bucket": "b", "endpoint": "treasury.castle", "region": "r"}
    repo = {"name": "repo1", "s3": s3}
    made: dict[str, Any] = {
        "postgresVersion": 17,
        "instances": [{"name": "a", "dataVolumeClaimSpec": CLAIM}],
        "backups": {"pgbackrest": {"global": {"repo1-path": path}, "repos": [repo]}},
    }
    if source is not None:
        made["dataSource"] = {"pgbackrest": {"repo": repo, "stanza": "db", **source}}
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": API, "kind": KIND, "metadata": meta, "spec": made}


RIGHT: dict[str, Any] = {"global": {"repo1-path": PATH}, "options": list(OPTIONS)}


async def locked(cluster: HttpCluster, lock: Guard) -> None:
    """The lock is active, and no cluster is there."""
    definition = crd.definition()
    await cluster.apply(definition)
    await cluster.until(Ref.of(definition), rules.judge, timeout=30)
    for name in ("data", "other"):
        await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for each in manifests(dataclasses.replace(lock, wiping=True), {}):
        await cluster.apply(each)
    await active(cluster, dataclasses.replace(lock, wiping=True))
    await cluster.delete(DB)
    for each in manifests(lock, {}):
        await cluster.apply(each)
    await active(cluster, lock)


async def active(cluster: HttpCluster, lock: Guard) -> None:
    async with asyncio.timeout(30):
        while not await proven(cluster, lock):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def refused(doing: Any, words: str) -> None:
    with pytest.raises(Permanent) as error:
        await doing
    assert words in f"{error.value.message} {error.value.why}"


async def test_only_the_decided_birth_passes(cluster: HttpCluster) -> None:
    """The seed incident: an empty database beside a repository that is full."""
    await locked(cluster, LOCK)
    await refused(cluster.apply(born()), EMPTY)
    await refused(cluster.create(born()), EMPTY)
    await refused(cluster.create(born(source={**RIGHT, "options": [*OPTIONS[:2]]})), EMPTY)
    await refused(cluster.create(born(source={**RIGHT, "options": [*OPTIONS, "--archive-mode=off"]})), EMPTY)
    await refused(cluster.create(born(source={**RIGHT, "global": {"repo1-path": "/another"}})), EMPTY)
    await refused(cluster.create(born(source={"options": list(OPTIONS)})), EMPTY)
    await refused(cluster.create(born(source=RIGHT, path="/another")), EMPTY)
    await cluster.create(born(source=RIGHT))


async def test_others_are_none_of_its_business(cluster: HttpCluster) -> None:
    await locked(cluster, LOCK)
    for each in (born(name="another"), born(namespace="other")):
        await cluster.create(each)
        await cluster.delete(Ref.of(each))


async def test_a_new_database_is_born_without_a_source(cluster: HttpCluster) -> None:
    await locked(cluster, dataclasses.replace(LOCK, birth=Birth(CREATE)))
    await refused(cluster.create(born(source=RIGHT)), "a new database begins without `dataSource`")
    bare = born()
    del bare["spec"]["backups"]
    await refused(cluster.create(bare), "a new database begins without `dataSource`")
    await cluster.create(born())


async def test_nothing_is_born_where_it_stands(cluster: HttpCluster) -> None:
    await locked(cluster, dataclasses.replace(LOCK, birth=Birth(STANDS)))
    await refused(cluster.create(born()), "nothing is born under this name now")
    await refused(cluster.create(born(source=RIGHT)), "nothing is born under this name now")


async def test_a_source_is_not_added_to_a_living_one(cluster: HttpCluster) -> None:
    """It would delete what runs and restore over its data; castle itself is refused it, too."""
    await locked(cluster, dataclasses.replace(LOCK, birth=Birth(CREATE)))
    await cluster.create(born())
    for each in (LOCK, dataclasses.replace(LOCK, birth=Birth(STANDS))):
        for made in manifests(each, {}):
            await cluster.apply(made)
        await active(cluster, each)
        source = born(source=RIGHT)["spec"]["dataSource"]
        await refused(cluster.patch(DB, {"spec": {"dataSource": source}}), "restore over its data")
        await refused(cluster.apply(born(source=RIGHT)), "restore over its data")
    await cluster.patch(DB, {"spec": {"paused": True}})


async def test_a_source_may_be_taken_away_and_the_options_changed(cluster: HttpCluster) -> None:
    await locked(cluster, LOCK)
    await cluster.create(born(source=RIGHT))
    await cluster.patch(DB, {"spec": {"shutdown": False}})
    await cluster.patch(DB, {"spec": {"dataSource": None}})


async def test_backups_stay_where_they_are(cluster: HttpCluster) -> None:
    await locked(cluster, LOCK)
    await cluster.create(born(source=RIGHT))
    await refused(cluster.patch(DB, {"spec": {"backups": None}}), "`backups` cannot be taken out")
    moved = {"spec": {"backups": {"pgbackrest": {"global": {"repo1-path": "/another"}}}}}
    await refused(cluster.patch(DB, moved), f"stays at {PATH}")


async def test_it_ends_by_a_wipe_only(cluster: HttpCluster) -> None:
    await locked(cluster, LOCK)
    made = await cluster.create(born(source=RIGHT))
    await refused(cluster.delete(DB), "unsealed; use castle wipe")
    opened = dataclasses.replace(LOCK, birth=Birth(STANDS), wiping=True)
    for each in manifests(opened, {}):
        await cluster.apply(each)
    await active(cluster, opened)
    await cluster.delete(DB, uid=str(made["metadata"]["uid"]))
    assert await cluster.get(DB) is None


async def test_its_volumes_and_its_namespace_end_by_a_wipe_only(cluster: HttpCluster) -> None:
    """`kubectl delete namespace` would take the volumes and leave the cluster's object behind."""
    await locked(cluster, LOCK)
    for name, labels in (("ours", {"postgres-operator.crunchydata.com/cluster": "db"}), ("theirs", {})):
        meta = {"name": name, "namespace": "data", "labels": labels}
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": CLAIM}
        await cluster.apply(claim)
    ours = Ref("v1", "PersistentVolumeClaim", "ours", "data")
    space = Ref("v1", "Namespace", "data")
    await refused(cluster.delete(ours), "unsealed; use castle wipe")
    await refused(cluster.delete(space), "unsealed; use castle wipe")
    await cluster.delete(Ref("v1", "PersistentVolumeClaim", "theirs", "data"))
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "third"}})
    await cluster.delete(Ref("v1", "Namespace", "third"))
    opened = dataclasses.replace(LOCK, wiping=True)
    for each in manifests(opened, {}):
        await cluster.apply(each)
    await active(cluster, opened)
    await cluster.delete(ours)
    assert (await cluster.get(space) or {})["status"]["phase"] == "Active"


async def test_a_birth_from_another_repository_than_the_first_is_refused(cluster: HttpCluster) -> None:
    """It may lag behind, or hold another database: nobody has proven it."""
    await locked(cluster, LOCK)
    other = born(source=RIGHT)
    other["spec"]["dataSource"]["pgbackrest"]["repo"]["name"] = "repo2"
    await refused(cluster.create(other), EMPTY)


SIDE = dataclasses.replace(LOCK, cluster="db-side", beside=True)
OWN = {"pgbackrest": {"repos": [{"name": "repo1", "volume": {"volumeClaimSpec": CLAIM}}]}}


async def test_a_copy_archives_into_a_volume_of_its_own_alone(cluster: HttpCluster) -> None:
    """An operator's server archives whatever it is told, and this one is told by the living one's backups."""
    await locked(cluster, LOCK)
    for each in manifests(SIDE, {}):
        await cluster.apply(each)
    await active(cluster, SIDE)
    words = "archives into a volume of its own"
    copy = born(source=RIGHT, name="db-side")
    await refused(cluster.create(copy), "born by castle restore --side only")
    copy["spec"]["backups"] = OWN
    await refused(cluster.create({**copy, "spec": {**copy["spec"], "dataSource": None}}), "castle restore --side only")
    await cluster.create(copy)
    ref = Ref(API, KIND, "db-side", "data")
    await refused(cluster.patch(ref, {"spec": {"backups": born()["spec"]["backups"]}}), words)
    await cluster.delete(ref)  # whoever wants it gone may have that

"""A PostgresCluster that a tree in Git applies: the real kustomize-controller, the tree of the guide, the lock."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testbed.standins.pgo import crd

from ephemeral_castle.drivers.postgres.pgo import birth
from ephemeral_castle.drivers.postgres.pgo.birth import CREATE, Birth
from ephemeral_castle.drivers.postgres.pgo.guard import Guard, manifests
from ephemeral_castle.drivers.postgres.pgo.locking import proven
from ephemeral_castle.manifests import ready as rules
from ephemeral_castle.postgres.config import S3Repository
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.world.kubernetes import HttpCluster
from tests.kubernetes.control import ROOT, Control, running
from tests.kubernetes.fluxes import SPACE, RealBed, missing

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.evidence("real", "api-server", "kustomize-controller", "git"),
    pytest.mark.evidence("stand-in", "source-controller", "pgo"),
]
DB = Ref("postgres-operator.crunchydata.com/v1beta1", "PostgresCluster", "tazlab-db", "data")
UNIT = Ref("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "data", SPACE)
WORD = Ref("v1", "ConfigMap", "castle-life", SPACE)
S3 = S3Repository(
    bucket="b", region="r", host="treasury.castle", port=8443, path="/lab/pgbackrest/database", key="k", key_secret="s",
    cipher_pass="p", ca_file=birth.ca_file(),
)  # fmt: skip
REPO = birth.repository(S3, "tazlab-db-s3", 2)
RESTORED = Birth.restored("20261122-1F", 3, "castle-r1")
LOCK = Guard("c0ffee00-0000-4000-8000-000000000001", "database", DB.namespace, DB.name, REPO.path, RESTORED, 2)
SUBSTITUTE = {"substituteFrom": [{"kind": "ConfigMap", "name": WORD.name}]}


def tree() -> str:
    """The PostgresCluster of the guide, word for word."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/guides/pgo.md").read_text(), re.DOTALL)
    return str(next(each for each in blocks if "${database_birth_key}" in each))


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    """A cluster of the test's own: Flux is everywhere in it."""
    with running(tmp_path, missing()) as made:
        yield made


async def locked(cluster: HttpCluster, lock: Guard) -> None:
    definition = crd.definition()
    await cluster.apply(definition)
    await cluster.until(Ref.of(definition), rules.judge, timeout=30)
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": DB.namespace}})
    for each in manifests(lock, {}):
        await cluster.apply(each)
    async with asyncio.timeout(30):
        while not await proven(cluster, lock):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def word(cluster: HttpCluster, answer: Birth) -> None:
    meta = {"name": WORD.name, "namespace": WORD.namespace, "labels": {"reconcile.fluxcd.io/watch": "Enabled"}}
    data = birth.life_data("database", 2, answer, REPO)
    await cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})


async def said(cluster: HttpCluster, words: str) -> str:
    """What Flux says of the unit, once it says this."""
    found = ""
    async with asyncio.timeout(90):
        while words not in found:
            conditions = ((await cluster.get(UNIT)) or {}).get("status", {}).get("conditions", ())
            found = " ".join(each["message"] for each in conditions)
            await asyncio.sleep(0.2)
    return found


async def born(cluster: HttpCluster) -> Manifest:
    async with asyncio.timeout(60):
        while (found := await cluster.get(DB)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    return found


async def test_the_tree_of_the_guide_is_born_as_castle_decided(bed: RealBed, cluster: HttpCluster) -> None:
    await locked(cluster, LOCK)
    unit: dict[str, Any] = {"postBuild": SUBSTITUTE, "wait": False, "prune": False, "retryInterval": "5s"}
    bed.push(data=(unit, {"db.yaml": tree()}))
    whole = asyncio.create_task(bed.all())
    try:
        # Before castle has decided, nothing of the unit is applied.
        await said(cluster, "castle-life")
        assert await cluster.get(DB) is None

        # An empty cluster beside a full repository, by Flux: the lock refuses it, and Flux shows why.
        await word(cluster, Birth(CREATE))
        assert LOCK.name in await said(cluster, "an empty database would take over the repository")
        assert await cluster.get(DB) is None

        await word(cluster, RESTORED)
        spec = (await born(cluster))["spec"]
        assert spec["dataSource"]["pgbackrest"]["options"] == list(RESTORED.options)
        assert spec["dataSource"] == birth.data_source(RESTORED, REPO)
        assert spec["backups"]["pgbackrest"]["global"] == dict(REPO.options)
        assert spec["backups"]["pgbackrest"]["repos"] == [REPO.repo()]
        assert spec["backups"]["pgbackrest"]["configuration"] == REPO.configuration()
        async with asyncio.timeout(120):
            await whole
    finally:
        whole.cancel()


async def test_the_same_tree_makes_a_new_database(bed: RealBed, cluster: HttpCluster) -> None:
    await locked(cluster, Guard(LOCK.castle, LOCK.layer, DB.namespace, DB.name, REPO.path, Birth(CREATE), 1))
    await word(cluster, Birth(CREATE))
    bed.push(data=({"postBuild": SUBSTITUTE, "wait": False, "prune": False}, {"db.yaml": tree()}))
    await bed.all()
    assert "dataSource" not in (await born(cluster))["spec"]

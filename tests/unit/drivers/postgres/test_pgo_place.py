"""A database that an operator runs: what is seen of it, how it is held, ended and woken, and what is never touched."""

from __future__ import annotations

from typing import Any

import pytest

from ephemeral_castle.drivers.postgres.pgo.place import HELD
from ephemeral_castle.drivers.postgres.place import ABSENT, RUNNING
from ephemeral_castle.errors import Refused, Unreachable
from ephemeral_castle.postgres.states import Absent
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.world.simulated_kubernetes import MemoryCluster
from tests.unit.drivers.postgres.operated import GROUP, claim, cluster, instance, leader, marks, place, pooler, serving

DB = Ref(f"{GROUP}/v1beta1", "PostgresCluster", "db", "data")
SET = Ref("apps/v1", "StatefulSet", "db-a-x", "data")
CONTROL = "Database cluster state:               shut down\n"


def board(*objects: Manifest, kind: type[MemoryCluster] = MemoryCluster) -> MemoryCluster:
    """A cluster with these objects, and an operator that heeds `paused`."""
    made = kind()
    made.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "data"}})
    for each in objects:
        made.put(each)

    def operator(live: Manifest) -> None:
        paused = [{"type": "Progressing", "status": "False", "reason": "Paused"}]
        if live["spec"].get("paused") and live.get("status", {}).get("conditions") != paused:
            made.status(DB, {"conditions": paused})

    def controller(live: Manifest) -> None:
        if live["spec"]["replicas"] == 0:
            made.remove(Ref("v1", "Pod", "db-a-x-0", "data"))
        elif not made.all("Pod"):
            made.put(leader())

    def kubelet(pod: Manifest) -> None:
        if "-look-" in pod["metadata"]["name"] and not pod.get("status"):
            end = {"exitCode": 0, "message": CONTROL}
            states = [{"name": "look", "state": {"terminated": end}}]
            made.status(Ref.of(pod), {"phase": "Succeeded", "containerStatuses": states})

    made.react("PostgresCluster", operator)
    made.react("StatefulSet", controller)
    made.react("Pod", kubelet)
    return made


@pytest.mark.parametrize(
    ("objects", "word"),
    [
        ([], ABSENT),
        ([claim()], "without its PostgresCluster"),
        ([cluster(2)], "starting"),
        (serving(2), RUNNING),
        ([cluster(2), instance(), leader("waiting")], "starting"),
        ([cluster(2), instance(0), claim()], "stopped"),
        (
            [cluster(2, status={"conditions": [{"type": "PGBackRestoreProgressing", "status": "True"}]})],
            "being restored",
        ),
    ],
)
async def test_its_state_is_the_operators(objects: list[Manifest], word: str) -> None:
    assert await place(board(*objects)).state() == word


async def test_a_pod_that_is_going_serves_nobody() -> None:
    """Sessions would be opened in it, and break off."""
    there = board(*serving(2))
    there.objects[Ref("v1", "Pod", "db-a-x-0", "data")]["metadata"]["deletionTimestamp"] = "2026-11-22T00:00:00Z"
    assert await place(there).state() == "starting"


@pytest.mark.parametrize("labels", [{}, marks(1), {**marks(2), "castle.id": "another"}])
async def test_a_cluster_of_that_name_that_is_not_ours_is_not_touched(labels: dict[str, str]) -> None:
    there = board(cluster(2, labels=labels), instance(), leader(), claim())
    for doing in (place(there).state(), place(there).hold(), place(there).stop()):
        with pytest.raises(Refused, match="not our mark"):
            await doing
    assert there.objects[DB]["spec"].get("paused") is None


async def test_it_is_at_rest_only_while_the_operator_is_held() -> None:
    """The operator would bring a stopped server back, and it would write behind the seal."""
    assert not await place(board(cluster(2), instance(0), claim())).at_rest()
    held = board(cluster(2, spec={"paused": True}), instance(0), claim())
    assert await place(held).at_rest()
    assert not await place(board(*serving(2))).at_rest()


async def test_a_stop_holds_the_operator_first_and_tells_the_control_data() -> None:
    there = board(*serving(2))
    assert await place(there).stop() == CONTROL
    assert there.objects[DB]["spec"]["paused"] is True
    assert there.objects[DB]["metadata"]["annotations"][HELD] == "r1"
    changes = [what for name, what in there.calls if name == "patch"]
    assert "PostgresCluster" in str(changes[0])
    assert [each["metadata"]["name"] for each in there.all("Pod")] == []


async def test_a_stop_is_taken_back() -> None:
    there = board(*serving(2))
    where = place(there)
    await where.stop()
    await where.start({}, ["serve"])
    assert there.objects[DB]["spec"].get("paused") is None
    assert there.objects[SET]["spec"]["replicas"] == 1
    assert await where.state() == RUNNING


async def test_an_operator_that_somebody_else_holds_is_left_held() -> None:
    there = board(cluster(2, spec={"paused": True}), instance(), leader())
    await place(there).release()
    assert there.objects[DB]["spec"]["paused"] is True


async def test_pgbouncer_ends_and_comes_back_by_its_deployment() -> None:
    there = board(*serving(2))
    await place(there).stop_pooler()
    ref = Ref("apps/v1", "Deployment", "db-pgbouncer", "data")
    assert there.objects[ref]["spec"]["replicas"] == 0
    await place(there).start_pooler({})
    assert there.objects[ref]["spec"]["replicas"] == 1


async def test_what_is_absent_is_said_to_be_so_and_nothing_else_is() -> None:
    empty = await place(board()).standing()
    assert (empty.state, empty.cluster) == (ABSENT, Absent())
    silent = board(*serving(2))

    async def fails(name: str, about: str) -> None:
        del name, about
        raise Unreachable("nothing answers")

    silent.before = fails
    with pytest.raises(Unreachable):
        await place(silent).standing()


async def test_a_volume_whose_image_nobody_knows_is_not_an_empty_one() -> None:
    with pytest.raises(Unreachable, match="cannot be looked at"):
        await place(board(cluster(2), claim())).stop()
    with pytest.raises(Unreachable, match="cannot be looked at"):
        await place(board(claim())).standing()


async def test_its_record_says_where_it_is_looked_for() -> None:
    there: dict[str, Any] = dict(place(board()).told())
    old = place(board(), old=True, lineage={**there, "namespace": "before", "cluster": "was"})
    assert (old.namespace, old.name) == ("before", "was")


async def test_pgbouncers_door_is_its_service() -> None:
    door = await place(board(cluster(2), *pooler())).door()
    assert (door.address, door.port) == ("10.96.0.9", 6432)

"""A database's place in a cluster: what is made, what is waited for, what is never touched."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from ephemeral_castle.drivers.postgres.image import STOP
from ephemeral_castle.drivers.postgres.machine import MachinePlace
from ephemeral_castle.drivers.postgres.place import Door, Standing
from ephemeral_castle.drivers.postgres.places import place_of
from ephemeral_castle.drivers.postgres.pod import PodPlace
from ephemeral_castle.drivers.postgres.volumes import look_in
from ephemeral_castle.errors import Refused, Transient, Unreachable
from ephemeral_castle.postgres.states import Absent, HalfRestored, Unknown
from ephemeral_castle.spi.world import Result
from tests.unit.drivers.postgres.board import (
    MARKS,
    ON_CLASS,
    RUNNING,
    SERVES,
    Board,
    context,
    failed,
    options,
    place,
    status,
)

FILES = {"pgbackrest.conf": "secret", "castle.conf": "port = 5432"}
DISK = "castle-c0ffee00-2-database-data"
NODE = {
    "apiVersion": "v1", "kind": "Node", "metadata": {"name": "data", "labels": {}},
    "status": {
        "conditions": [{"type": "Ready", "status": "True"}],
        "addresses": [{"type": "Hostname", "address": "data"}, {"type": "InternalIP", "address": "10.89.77.20"}],
    },
}  # fmt: skip


async def started(board: Board, *order: str, **more: Any) -> PodPlace:
    where = place(board, **more)
    await where.start(FILES, order or ("serve",))
    return where


async def test_a_start_makes_all_that_is_needed_and_marks_it() -> None:
    board = Board()
    await started(board, "restore", "--repo=1")
    kinds = ("Namespace", "PersistentVolume", "PersistentVolumeClaim", "Secret", "Service", "StatefulSet", "Pod")
    assert {ref.kind for ref in board.store} == set(kinds)
    for ref, made in board.store.items():
        labels = made["metadata"]["labels"]
        assert labels["app.kubernetes.io/managed-by"] == "castle", ref
        assert labels["castle.id"] == MARKS["castle.id"], ref
    init = board.one("StatefulSet")["spec"]["template"]["spec"]["initContainers"][0]
    assert init["command"][-4:] == ["castle-postgres", "only", "restore", "--repo=1"]


async def test_no_secret_stands_in_an_object_that_is_no_secret() -> None:
    board = Board()
    await started(board)
    for ref, made in board.store.items():
        assert ("secret" in str(made).replace("secretName", "").replace("'secret':", "")) is (ref.kind == "Secret"), ref


async def test_a_namespace_of_somebody_else_is_used_and_left_as_it_is() -> None:
    board = Board()
    board.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "data", "labels": {"team": "a"}}})
    await started(board)
    assert board.one("Namespace")["metadata"]["labels"] == {"team": "a"}


async def test_volumes_of_a_class_are_left_to_it() -> None:
    board = Board()
    await started(board, options=options(**ON_CLASS))
    assert board.names("PersistentVolume") == []
    assert board.one("PersistentVolumeClaim", "database-data")["spec"]["storageClassName"] == "fast"
    init = board.one("StatefulSet")["spec"]["template"]["spec"]["initContainers"][0]
    assert init["command"] == ["castle-postgres", "only", "serve"]  # its volumes are handed over by the kubelet


async def test_what_stands_ends_before_there_is_another_order() -> None:
    """A controller that has not seen the new order yet makes a pod with the former one."""
    board = Board()
    where = await started(board, "birth")
    board.calls.clear()
    await where.start(FILES, ["serve"])
    ended = next(index for index, call in enumerate(board.calls) if "'replicas': 0" in call)
    assert ended < board.calls.index("apply StatefulSet data/database")


async def test_volumes_that_are_there_keep_their_form() -> None:
    """Their specification cannot be changed: an apply after a change of the definition would be refused for ever."""
    board = Board()
    where = await started(board)
    board.calls.clear()
    await where.start(FILES, ["serve"])
    assert not [call for call in board.calls if "PersistentVolume" in call]


async def test_configuration_of_former_starts_goes() -> None:
    board = Board()
    where = await started(board)
    before = board.names("Secret")
    await where.start({**FILES, "castle.conf": "port = 5433"}, ["serve"])
    assert len(board.names("Secret")) == 1
    assert board.names("Secret") != before


async def test_an_order_that_was_done_is_not_left_in_the_controller() -> None:
    """A volume that was lost would be born again, empty, or restored, by whoever starts the pod anew."""
    board = Board()
    where = await started(board, "birth")
    await where.keep()
    init = board.one("StatefulSet")["spec"]["template"]["spec"]["initContainers"][0]
    assert init["command"][-3:] == ["castle-postgres", "only", "serve"]
    assert init["env"][0]["name"] == "CASTLE_POD"
    board.calls.clear()
    await where.keep()
    assert board.calls == []


@pytest.mark.parametrize(
    ("api", "kind", "name"),
    [("apps/v1", "StatefulSet", "database"), ("v1", "Service", "database"), ("v1", "PersistentVolume", DISK)],
)
@pytest.mark.parametrize("labels", [{}, {**MARKS, "castle.life": "1"}, {**MARKS, "castle.id": "another"}])
async def test_what_has_our_name_and_not_our_mark_is_not_taken(
    api: str, kind: str, name: str, labels: dict[str, str]
) -> None:
    board = Board()
    meta = {"name": name, "labels": labels, **({} if kind == "PersistentVolume" else {"namespace": "data"})}
    stranger = board.put({"apiVersion": api, "kind": kind, "metadata": meta, "spec": {"mine": "yes"}})
    with pytest.raises(Refused, match="has the name of ours but not our mark"):
        await started(board)
    assert stranger["spec"] == {"mine": "yes"}


@pytest.mark.parametrize(
    ("pod", "state"),
    [
        (SERVES, "running"),
        (status(order=RUNNING), "running"),  # its order is being done
        (status(), "running"),  # it is done, the server's container comes in a moment
        (status(order=failed(1)), "CrashLoopBackOff"),
        (status(order={"state": {"waiting": {"reason": "ImagePullBackOff"}}}), "ImagePullBackOff"),
        (status(order={"state": {"waiting": {"reason": "PodInitializing"}}}), "starting"),
        (status(server=failed(1)), "CrashLoopBackOff"),
        (status(server={"state": {"terminated": {"exitCode": 1}}}), "starting"),
    ],
)
async def test_how_a_pod_stands(pod: dict[str, Any], state: str) -> None:
    where = await started(Board(pod))
    assert await where.state() == state


async def test_a_server_that_fell_over_is_not_stopped() -> None:
    """Between two starts of its container it passed for stopped: the seal went on, and the kubelet let writers in."""
    board = Board(status(server=failed(1)))
    where = await started(board)
    assert not await where.at_rest()
    board.store.pop(where._ref)
    assert not await where.at_rest()  # a pod that is being made anew
    await where.stop()
    assert await where.at_rest()


async def test_a_cluster_that_is_not_there_is_no_absent_database() -> None:
    """Its data may lie on a node of it: whoever asks must not read "absent" from the missing key of a cluster."""
    with pytest.raises(Unreachable):
        await place(None).standing()


async def look(board: Board, said: str = "nothing") -> Standing:
    board.ends = (0, said)
    return await place(board, old=True).standing()


async def test_nothing_is_there() -> None:
    assert await look(Board(), "gone") == Standing("absent", Absent())


async def test_a_claim_deleted_by_hand_was_taken_for_nothing_at_all() -> None:
    """ "Nothing of the old life is here": no seal, and the volume with all data was deleted."""
    board = Board()
    where = await started(board, options=options(**ON_CLASS))
    assert await where.listed()
    del board.store[next(ref for ref in board.store if ref.name == "database-data")]
    assert not await where.listed()
    ref = {"namespace": "data", "name": "database-data"}
    board.put(
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pvc-7"}, "spec": {"claimRef": ref}}
    )
    assert await where.listed()


async def test_a_folder_whose_namespace_and_volume_were_deleted_was_taken_for_absent() -> None:
    """`kubectl delete ns data` and `delete pv` remove no data; they were destroyed without a seal."""
    board = Board()
    await started(board)
    board.store.clear()
    pods: list[Any] = []
    create = board.create

    async def seen(manifest: Any) -> Any:
        assert board.names("Namespace") == ["data"]
        pods.append(manifest["spec"])
        return await create(manifest)

    board.create = seen  # type: ignore[method-assign]
    assert await place(board, old=True, lineage={"node": "data", "storage_class": ""}).listed()
    board.ends = (0, "nothing")
    stands = await place(board, old=True, lineage={"node": "data", "storage_class": ""}).standing()
    assert stands == Standing("absent", HalfRestored(ours=False))
    assert pods[0]["volumes"][0]["hostPath"] == {"path": "/var/lib/castle/volumes", "type": "DirectoryOrCreate"}
    assert pods[0]["nodeSelector"] == {"kubernetes.io/hostname": "data"}
    assert pods[0]["containers"][0]["volumeMounts"][0]["readOnly"]
    assert f"look /pg/{DISK}" in pods[0]["containers"][0]["command"][2]


@pytest.mark.parametrize(
    ("made", "said"), [("", "gone"), ("x", "gone"), ("x/data", "nothing"), ("x/rewinding", "nothing")]
)
def test_a_folder_is_gone_when_it_is_missing_or_empty(tmp_path: Path, made: str, said: str) -> None:
    if made:
        (tmp_path / made).mkdir(parents=True)
    script = look_in("x").replace("/pg/", f"{tmp_path}/")
    answer = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == said


async def test_a_running_database_is_not_looked_into() -> None:
    board = Board()
    await started(board)
    assert await look(board) == Standing("running", None)
    assert not [call for call in board.calls if "look" in call]


async def test_a_stopped_one_is_looked_into_by_a_pod_that_goes_again() -> None:
    board = Board()
    where = await started(board)
    await where.stop()
    assert await look(board) == Standing("stopped", HalfRestored(ours=False))
    assert await look(board, "unread the data directory") == Standing(
        "stopped", Unknown("the data directory cannot be read")
    )
    assert board.names("Pod") == []


async def test_a_look_wants_no_image_that_is_not_there_yet() -> None:
    """After an upgrade of castle each look fetched the new image first: 8 s instead of one."""
    board = Board()
    where = await started(board)
    await where.stop()
    images: Any = where.ctx.world.images
    images.reference = lambda recipe: "localhost/castle-postgres:newer"
    made: list[str] = []
    create = board.create

    async def seen(manifest: Any) -> Any:
        made.append(manifest["spec"]["containers"][0]["image"])
        return await create(manifest)

    board.create = seen  # type: ignore[method-assign]
    await where.standing()
    assert made == ["localhost/castle-postgres:1"]


async def test_a_disk_without_its_claim_is_not_absent() -> None:
    """A claim that was deleted by hand left the data on the node; another life would have been born beside them."""
    board = Board()
    where = await started(board)
    await where.stop()
    del board.store[next(ref for ref in board.store if ref.name == "database-data")]
    board.one("PersistentVolume", DISK)["status"] = {"phase": "Released"}
    assert (await look(board, "nothing")).cluster == HalfRestored(ours=False)
    await where.start(FILES, ["serve"])
    assert board.one("PersistentVolume", DISK)["spec"]["claimRef"]["uid"] is None
    assert board.one("PersistentVolumeClaim", "database-data")["spec"]["volumeName"] == DISK


async def test_a_volume_that_its_class_kept_is_not_absent() -> None:
    board = Board()
    where = await started(board, options=options(**ON_CLASS))
    await where.stop()
    del board.store[next(ref for ref in board.store if ref.name == "database-data")]
    ref = {"namespace": "data", "name": "database-data"}
    board.put(
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pvc-7"}, "spec": {"claimRef": ref}}
    )
    seen = await where.standing()
    assert isinstance(seen.cluster, Unknown)
    assert "pvc-7" in seen.cluster.why


async def test_a_claim_that_never_got_a_volume_holds_nothing() -> None:
    board = Board()
    where = await started(board, options=options(**ON_CLASS))
    await where.stop()
    claim = board.one("PersistentVolumeClaim", "database-data")
    claim["status"], claim["spec"]["volumeName"] = {"phase": "Pending"}, ""
    assert (await place(board, options=options(**ON_CLASS)).standing()).cluster == Absent()
    claim["status"] = {"phase": "Lost"}
    assert isinstance((await place(board, options=options(**ON_CLASS)).standing()).cluster, Unknown)


async def test_a_look_that_fails_is_not_an_answer() -> None:
    board = Board()
    where = await started(board)
    await where.stop()
    board.ends = (1, "cannot cd to /pg")
    with pytest.raises(Unreachable, match="cannot be looked at"):
        await where.standing()
    board.ends = None  # its pod never ends: the node is gone
    with pytest.raises(Unreachable, match="cannot be looked at"):
        await where.standing()
    assert [name for name in board.names("Pod") if "look" in name] == []


async def test_a_restore_that_failed_tells_what_pgbackrest_said() -> None:
    words = "51200\nrestore 75\n==> restore.log <==\nP00  ERROR: [075]: no backup set found"
    board = Board(status(order=failed(1, words)))
    where = await started(board, "restore")
    with pytest.raises(Unreachable) as caught:
        await where.hub()
    assert "no backup set found" in caught.value.why
    code, said, free = await where.last_words()
    assert (code, free) == (75, 51200 << 10)
    assert "no backup set found" in said


async def test_an_order_that_a_reboot_broke_off_has_not_failed() -> None:
    board = Board(status(order={**RUNNING, "lastState": {"terminated": {"exitCode": 255, "reason": "Unknown"}}}))
    where = await started(board, "restore")
    with pytest.raises(Unreachable) as caught:
        await where.hub()
    assert "failed" not in caught.value.why


async def test_what_is_no_restore_is_not_told_as_one() -> None:
    """A file that could not be written was told as "pgbackrest restore failed with exit code 1"."""
    board = Board(status(order=failed(1, "51200\nconfiguration 1\ncp: Permission denied")))
    where = await started(board, "restore")
    with pytest.raises(Unreachable) as caught:
        await where.hub()
    assert caught.value.why == "configuration failed with exit code 1; cp: Permission denied"
    assert (await where.last_words())[0] == 0


async def test_words_of_nobody_are_no_words_of_pgbackrest() -> None:
    board = Board(status(order=failed(128, "exec: castle-postgres: not found")))
    where = await started(board)
    code, said, free = await where.last_words()
    assert (code, said) == (0, "exec: castle-postgres: not found")
    assert free > 1 << 50


async def test_a_stopped_database_is_not_waited_for() -> None:
    board = Board()
    where = await started(board)
    await where.stop()
    with pytest.raises(Unreachable, match="is stopped"):
        await where.hub()


async def test_a_stop_reads_the_control_data_before_the_pod_goes() -> None:
    board = Board()
    board.answer = lambda argv: Result(0, "pg_control version number: 1300\n", "")
    where = await started(board)
    board.calls.clear()
    assert await where.stop() == "pg_control version number: 1300\n"
    assert board.ran == [["sh", "-c", STOP]]
    ran = board.calls.index("run database-0 sh")
    assert all("replicas" not in call and not call.startswith("delete") for call in board.calls[:ran])
    assert await where.at_rest()


async def held(board: Board) -> PodPlace:
    """A runner was killed after it had the server ended, and before it took the pod away."""
    where = await started(board)
    board.one("Pod")["metadata"]["annotations"] = {"castle.stops": "r0"}
    board.answer = lambda argv: Result(0, {"test": "", "sh": "nothing\n"}[argv[0]], "")
    return where


async def test_a_container_that_outlives_its_server_is_not_a_running_database() -> None:
    """The cluster calls it running: a resumed runner waited for a session in it until its time was up."""
    board = Board()
    where = await held(board)
    assert await where.state() == "stopped on order"
    assert await where.at_rest()
    with pytest.raises(Unreachable, match="is stopped"):
        await where.hub()
    assert await where.standing() == Standing("stopped on order", HalfRestored(ours=False))
    assert [name for name in board.names("Pod") if "look" in name] == []
    board.answer = lambda argv: Result(0, "yes\n", "")
    assert await where.stopped_cleanly()
    await where.stop()
    assert await where.state() == "stopped"


async def test_a_server_that_was_to_be_ended_and_runs_still_is_running() -> None:
    board = Board()
    where = await held(board)
    board.answer = lambda argv: Result(1, "", "")
    assert await where.state() == "running"
    assert not await where.at_rest()


async def test_a_server_that_does_not_stop_stays_wanted() -> None:
    board = Board()
    board.answer = lambda argv: Result(1, "", "the server runs still after 60 s")
    where = await started(board)
    with pytest.raises(Transient):
        await where.stop()
    assert board.one("StatefulSet")["spec"]["replicas"] == 1


async def test_control_data_of_a_database_that_is_stopped_are_read_from_its_volume() -> None:
    board = Board(ends=(0, "Database cluster state: shut down"))
    where = await started(board)
    await where.stop()
    assert await where.stop() == "Database cluster state: shut down"


@pytest.mark.parametrize(("said", "clean"), [("yes\n", True), ("no\n", False)])
async def test_a_clean_stop_is_seen_on_the_volume(said: str, clean: bool) -> None:
    board = Board()
    where = await started(board)
    await where.stop()
    board.ends = (0, said)
    assert await where.stopped_cleanly() is clean


async def pooled(board: Board, expose: str = "nodeport", node: bool = True) -> PodPlace:
    home = {"node": "data"} if node else {"storage_class": "fast"}
    where = place(board, options=options(namespace="data", expose=expose, **home))
    await where.start_pooler({"pgbouncer.ini": "", "userlist.txt": ""})
    return where


async def test_pgbouncer_is_found_at_the_databases_node() -> None:
    board = Board()
    other = {**NODE, "metadata": {"name": "a", "labels": {}}}
    board.put(other)
    board.put(NODE)
    where = await pooled(board)
    assert await where.state(pooler=True) == "running"
    assert await where.door() == Door("10.89.77.20", 30432)


async def test_a_node_that_is_not_ready_carries_no_door() -> None:
    board = Board()
    where = await pooled(board, node=False)
    down = {**NODE, "status": {**NODE["status"], "conditions": [{"type": "Ready", "status": "Unknown"}]}}  # type: ignore[dict-item]
    board.put(down)
    with pytest.raises(Transient):
        await where.door()
    control = {"name": "control", "labels": {"node-role.kubernetes.io/control-plane": ""}}
    ready = {**NODE["status"], "addresses": [{"type": "InternalIP", "address": "10.89.77.16"}]}  # type: ignore[dict-item]
    board.put({**NODE, "metadata": control, "status": ready})
    assert (await where.door()).address == "10.89.77.16"


async def test_other_kinds_of_service_have_their_own_address() -> None:
    board = Board()
    assert await (await pooled(board, "clusterip")).door() == Door("10.96.0.7", 6432)
    board = Board()
    where = await pooled(board, "loadbalancer")
    with pytest.raises(Transient, match="not ready"):
        await where.door()
    board.one("Service", "database-pooler")["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}
    assert await where.door() == Door("192.0.2.7", 6432)


async def test_pgbouncer_is_replaced_by_each_start_and_ended_by_a_stop() -> None:
    board = Board()
    where = await pooled(board)
    first = board.one("Deployment")["spec"]["template"]["metadata"]["annotations"]
    clock: Any = where.ctx.world.clock
    clock.now = lambda: 2000.0
    await where.start_pooler({"pgbouncer.ini": "", "userlist.txt": ""})
    assert board.one("Deployment")["spec"]["template"]["metadata"]["annotations"] != first
    await where.stop_pooler()
    assert await where.state(pooler=True) == "stopped"
    with pytest.raises(Unreachable):
        await where.pooler_session()


async def test_pgbouncer_has_the_servers_address_before_there_is_a_server() -> None:
    assert await place(Board()).address() == "10.96.0.7"


async def test_a_look_into_a_database_that_comes_home_says_so() -> None:
    where = await started(Board(status(order=RUNNING)), "restore")
    state, result = await where.peek("psql", timeout=5)
    assert (state, result.ok) == ("running", False)
    assert (await place(Board()).peek("psql", timeout=5))[0] == "absent"


ASIDE = ("sh", "-c", "restore")


async def test_an_errand_is_done_once_and_goes() -> None:
    board = Board(ends=(0, "restored"))
    result = await place(board).aside("rewind", FILES, ASIDE, timeout=60, begun=False)
    assert (result.ok, result.out) == (True, "restored")
    assert board.names("Pod") == []
    assert len(board.names("Secret")) == 1


async def test_an_errand_that_goes_on_is_waited_for() -> None:
    board = Board(ends=(0, "restored"))
    board.ends = None
    with pytest.raises(Unreachable, match="has not ended"):
        await place(board).aside("rewind", FILES, ASIDE, timeout=60, begun=False)
    board.calls.clear()
    pod = board.one("Pod")
    pod["status"] = {"phase": "Succeeded", "containerStatuses": [
        {"name": "aside", "state": {"terminated": {"exitCode": 0}}}]}  # fmt: skip
    assert (await place(board).aside("rewind", FILES, ASIDE, timeout=60, begun=True)).ok
    assert not [call for call in board.calls if call.startswith("create")]


@pytest.mark.parametrize(("run", "code"), [("r2", None), ("r1", 1)])
async def test_an_errand_of_another_run_or_one_that_failed_is_begun_anew(run: str, code: int | None) -> None:
    board = Board()
    board.ends = None if code is None else (code, "disk full")
    before = place(board)
    if code is None:
        with pytest.raises(Unreachable):
            await before.aside("rewind", FILES, ASIDE, timeout=60, begun=False)
    else:
        assert not (await before.aside("rewind", FILES, ASIDE, timeout=60, begun=False)).ok
    board.ends = (0, "restored")
    board.calls.clear()
    assert (await place(board, run=run).aside("rewind", FILES, ASIDE, timeout=60, begun=True)).ok
    assert [call for call in board.calls if call.startswith("create")]


def test_a_living_database_is_looked_for_where_it_was_raised() -> None:
    """A definition that moves it into a cluster, or out of it, must not make the living one "proven absent"."""
    machines = options(machine="data", pooler="edge")
    pod = options()
    here = {"machine": "data", "pooler": "edge"}
    there = {"namespace": "data", "machine": None}
    assert isinstance(place_of(context(None, lineage=here, options=pod), old=True), MachinePlace)
    assert isinstance(place_of(context(None, lineage=there, options=machines), old=True), PodPlace)
    assert isinstance(place_of(context(None, lineage=here, options=pod)), PodPlace)
    assert isinstance(place_of(context(None, lineage=there, options=machines)), MachinePlace)
    assert isinstance(place_of(context(None, options=pod), old=True), PodPlace)


def test_the_record_tells_one_home_only() -> None:
    known = {"machine": "data", "pooler": "edge", "namespace": "old"}
    machines = place_of(context(None, lineage=known, options=options(machine="data", pooler="edge"))).told()
    assert machines["namespace"] is None
    told = place(None).told()
    assert told == {"namespace": "data", "node": "data", "storage_class": "", "machine": None, "pooler": None}


def test_a_standing_database_keeps_its_namespace_and_its_disk() -> None:
    moved = place(None, old=True, lineage={"namespace": "first", "node": "edge", "storage_class": ""})
    assert moved.namespace == "first"
    assert moved.shape().node == "edge"


async def test_people_are_told_how_they_get_in() -> None:
    facts, words, how = await place(None).way_in("psql -h /tmp")
    assert facts == {"namespace": "data", "pod": "database-0"}
    assert "data/database-0" in words
    assert how == "kubectl exec -it -n data database-0 -c postgres -- psql -h /tmp"

"""The API server that tests play behaves as a real one does, as far as drivers rely upon it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from ephemeral_castle.errors import Conflict, NotFound, Permanent, Transient, Unreachable
from ephemeral_castle.spi.kubernetes import Cluster, Manifest, Readiness, Ref, Stage
from ephemeral_castle.world.simulated_kubernetes import MemoryCluster

CONFIG = Ref("v1", "ConfigMap", "c", "default")


def config(data: dict[str, str] | None = None, name: str = "c", **meta: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default", **meta},
        "data": data or {},
    }


def pod(replicas: int = 1, name: str = "d") -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas},
    }


def crd(kind: str = "Unit", plural: str = "units") -> Manifest:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.example.org"},
        "spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [{"name": "v1", "served": True}],
        },
    }


def test_it_is_a_cluster() -> None:
    _: Cluster = MemoryCluster()


async def test_apply_merges_and_takes_back_what_it_gave() -> None:
    cluster = MemoryCluster()
    cluster.put(config({"theirs": "1"}), manager="flux")
    first = await cluster.apply(config({"ours": "1", "both": "1"}))
    assert first["data"] == {"theirs": "1", "ours": "1", "both": "1"}
    second = await cluster.apply(config({"ours": "2"}))
    assert second["data"] == {"theirs": "1", "ours": "2"}
    assert (first["metadata"]["uid"], cluster.owners(CONFIG, "data", "ours")) == (second["metadata"]["uid"], {"castle"})


async def test_a_field_of_another_is_taken_by_force_only() -> None:
    cluster = MemoryCluster()
    cluster.put(config({"a": "1"}), manager="flux")
    with pytest.raises(Conflict, match=r"data\.a"):
        await cluster.apply(config({"a": "2"}), force=False)
    assert (await cluster.apply(config({"a": "2"})))["data"] == {"a": "2"}
    assert cluster.owners(CONFIG, "data", "a") == {"castle"}
    await cluster.apply(config({"a": "2"}))
    cluster.put(config({"a": "2"}), manager="flux")
    assert cluster.owners(CONFIG, "data", "a") == {"castle", "flux"}


async def test_what_a_patch_set_is_not_taken_back_by_an_apply() -> None:
    """A suspend that was patched stays until an apply names it: as on a real server."""
    cluster = MemoryCluster()
    await cluster.apply(pod(1))
    ref = Ref.of(pod())
    await cluster.patch(ref, {"spec": {"paused": True}})
    assert (await cluster.apply(pod(1)))["spec"] == {"replicas": 1, "paused": True}
    assert (await cluster.patch(ref, {"spec": {"paused": None}}))["spec"] == {"replicas": 1}


async def test_generation_counts_the_spec_alone() -> None:
    cluster = MemoryCluster()
    first = await cluster.apply(pod(1))
    seen = await cluster.patch(Ref.of(pod()), {"status": {"readyReplicas": 1}}, subresource="status")
    assert (seen["metadata"]["generation"], seen["status"]) == (1, {"readyReplicas": 1})
    assert (await cluster.patch(Ref.of(pod()), {"status": {"readyReplicas": 9}}))["status"] == {"readyReplicas": 1}
    more = await cluster.apply(pod(2))
    assert more["metadata"]["generation"] == 2
    assert int(more["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    again = await cluster.apply(pod(2))
    assert again["metadata"]["resourceVersion"] == more["metadata"]["resourceVersion"]


async def test_a_dry_run_changes_nothing_and_can_be_refused() -> None:
    cluster = MemoryCluster()
    assert (await cluster.apply(config({"a": "1"}), dry_run=True))["data"] == {"a": "1"}
    assert await cluster.get(CONFIG) is None

    def no(_: Manifest) -> None:
        raise Permanent("denied by a policy")

    cluster.admit.append(no)
    with pytest.raises(Permanent, match="denied by a policy"):
        await cluster.apply(config({"a": "1"}), dry_run=True)


async def test_kinds_and_namespaces_must_be_there_first() -> None:
    cluster = MemoryCluster()
    unit = {"apiVersion": "example.org/v1", "kind": "Unit", "metadata": {"name": "u", "namespace": "n"}, "spec": {}}
    with pytest.raises(NotFound, match="knows no Unit"):
        await cluster.apply(unit)
    assert await cluster.get(Ref.of(unit)) is None
    await cluster.apply(crd())
    with pytest.raises(NotFound, match="no namespace n"):
        await cluster.apply(unit)
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})
    assert (await cluster.apply(unit))["metadata"]["generation"] == 1


async def test_a_crd_may_take_its_time() -> None:
    cluster = MemoryCluster()
    cluster.establish = False
    made = await cluster.apply(crd())
    with pytest.raises(NotFound):
        await cluster.list("example.org/v1", "Unit")
    cluster.status(made, {"conditions": [{"type": "Established", "status": "True"}]})
    assert await cluster.list("example.org/v1", "Unit") == []


async def test_delete_waits_for_finalizers_and_asks_for_the_very_one() -> None:
    cluster = MemoryCluster()
    made = await cluster.create(config(finalizers=["example.org/keep"]))
    with pytest.raises(Conflict):
        await cluster.create(config())
    with pytest.raises(Conflict):
        await cluster.delete(CONFIG, uid="another")
    await cluster.delete(CONFIG, uid=made["metadata"]["uid"])
    assert "deletionTimestamp" in (await cluster.get(CONFIG) or {})["metadata"]
    await cluster.patch(CONFIG, {"metadata": {"finalizers": None}})
    assert await cluster.get(CONFIG) is None
    await cluster.delete(CONFIG)


async def test_a_namespace_takes_all_with_it() -> None:
    cluster = MemoryCluster()
    cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})
    cluster.put(config() | {"metadata": {"name": "a", "namespace": "n"}})
    held = cluster.put(config() | {"metadata": {"name": "b", "namespace": "n", "finalizers": ["x/y"]}})
    await cluster.delete(Ref("v1", "Namespace", "n"))
    assert [each["metadata"]["name"] for each in await cluster.list("v1", "ConfigMap", "n")] == ["b"]
    await cluster.patch(Ref.of(held), {"metadata": {"finalizers": None}})
    assert await cluster.get(Ref("v1", "Namespace", "n")) is None


async def test_what_is_owned_goes_with_its_owner() -> None:
    cluster = MemoryCluster()
    owner = cluster.put(pod())
    cluster.put(config(ownerReferences=[{"uid": owner["metadata"]["uid"]}]))
    await cluster.delete(Ref.of(owner))
    assert await cluster.get(CONFIG) is None


async def test_labels_select() -> None:
    cluster = MemoryCluster()
    cluster.put(config(name="a", labels={"app": "x", "tier": "1"}))
    cluster.put(config(name="b", labels={"app": "x"}))

    async def names(labels: str) -> list[str]:
        return [each["metadata"]["name"] for each in await cluster.list("v1", "ConfigMap", labels=labels)]

    assert await names("app=x") == ["a", "b"]
    assert await names("app==x,tier!=1") == ["b"]
    assert await names("tier") == ["a"]
    assert await names("!tier") == ["b"]


async def test_a_watch_tells_what_is_there_and_what_comes() -> None:
    cluster = MemoryCluster()
    cluster.put(config(name="a", labels={"app": "x"}))
    told: list[tuple[str, str]] = []

    async def listen() -> None:
        async for change in cluster.watch("v1", "ConfigMap", labels="app=x"):
            told.append((change.type, change.object["metadata"]["name"]))  # noqa: PERF401 - it never ends

    task = asyncio.create_task(listen())
    await asyncio.sleep(0.01)
    cluster.put(config(name="b"))
    cluster.put(config({"k": "v"}, name="b", labels={"app": "x"}))
    await cluster.patch(Ref("v1", "ConfigMap", "b", "default"), {"metadata": {"labels": {"app": "y"}}})
    await cluster.delete(Ref("v1", "ConfigMap", "a", "default"))
    await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert told == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "b"), ("DELETED", "a")]


async def test_a_controller_that_a_test_plays_makes_it_ready() -> None:
    cluster = MemoryCluster()

    def control(deployment: Manifest) -> None:
        cluster.later(0.01, lambda: cluster.status(deployment, {"readyReplicas": deployment["spec"]["replicas"]}))

    def judge(seen: Manifest | None) -> Readiness:
        ready = (seen or {}).get("status", {}).get("readyReplicas") == 2
        return Readiness(Stage.READY if ready else Stage.WAITING, "not all are there")

    cluster.react("Deployment", control)
    await cluster.apply(pod(2))
    assert (await cluster.until(Ref.of(pod()), judge, timeout=5)) is not None
    with pytest.raises(Transient) as late:
        await cluster.until(CONFIG, judge, timeout=0.01, title="the settings")
    assert (late.value.message, late.value.why) == ("the settings: not ready within 0.01 s", "not all are there")
    with pytest.raises(Permanent):
        await cluster.until(CONFIG, lambda _: Readiness(Stage.FAILED, "broken"), timeout=1)


async def test_a_server_may_be_silent() -> None:
    cluster = MemoryCluster()

    async def silent(name: str, what: str) -> None:
        raise Unreachable("nothing answers")

    cluster.before = silent
    assert not await cluster.ready()
    with pytest.raises(Unreachable):
        await cluster.get(CONFIG)
    assert cluster.calls == [("ready", ""), ("get", str(CONFIG))]


async def test_a_namespace_with_several_objects_goes_whole() -> None:
    """The first that went took the namespace's end with it, and the second was looked for in vain."""
    cluster = MemoryCluster()
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "full"}})
    for name in ("a", "b", "c"):
        await cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "full"}})
    await cluster.delete(Ref("v1", "Namespace", "full"))
    assert [ref for ref in cluster.objects if "full" in (ref.name, ref.namespace)] == []

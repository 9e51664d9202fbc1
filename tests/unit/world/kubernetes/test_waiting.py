"""Waiting for one object: no false ready, no missed one, a deadline, and a reason."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ephemeral_castle.errors import Denied, Permanent, Transient, Unreachable
from ephemeral_castle.manifests import ready
from ephemeral_castle.manifests.readiness import Readiness, Stage
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.kubernetes import HttpCluster
from ephemeral_castle.world.kubernetes.waiting import EXPLAINING
from tests.unit.world.kubernetes.server import Asked, Quick, Reply, Server, failure, met

LIMIT = 4  # seconds
A = Ref("v1", "ConfigMap", "a", "default")
WEB = Ref("apps/v1", "Deployment", "web", "default")
WIDGET = Ref("tests.castle/v1", "Widget", "w", "default")


def deployment(server: Server, generation: int, seen: int, available: int, *, replicas: int = 2) -> Manifest:
    status = {
        "observedGeneration": seen,
        "replicas": replicas,
        "updatedReplicas": replicas,
        "readyReplicas": available,
        "availableReplicas": available,
    }
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}}
    return server.put("deployments", "web", metadata={"generation": generation}, spec=spec, status=status)


async def test_exists_first_then_ready(server: Server, cluster: HttpCluster) -> None:
    wait = asyncio.create_task(cluster.until(WEB, ready.judge, timeout=1000))
    await met(lambda: server.streams == 1)
    for generation, seen, available in ((1, 0, 2), (1, 1, 1), (2, 1, 2), (2, 2, 0)):
        deployment(server, generation, seen, available)
        await asyncio.sleep(0.03)
        assert not wait.done()
    deployment(server, 2, 2, 2)
    last = await asyncio.wait_for(wait, 30)
    assert last is not None
    assert last["metadata"]["resourceVersion"] == str(server.version)


async def test_what_is_ready_already_is_ready_at_once(server: Server, cluster: HttpCluster) -> None:
    deployment(server, 3, 3, 2)
    assert await asyncio.wait_for(cluster.until(WEB, ready.judge, timeout=1000), 30)


async def test_other_objects_are_not_mistaken_for_it(server: Server, cluster: HttpCluster) -> None:
    wait = asyncio.create_task(cluster.until(A, ready.exists, timeout=1000))
    await met(lambda: server.streams == 1)
    server.put("configmaps", "b")
    server.put("configmaps", "a", "elsewhere")
    await asyncio.sleep(0.05)
    assert not wait.done()
    server.put("configmaps", "a")
    await asyncio.wait_for(wait, 30)


async def test_old_news_make_nothing_ready(server: Server, cluster: HttpCluster) -> None:
    """The object was ready, and is gone; a stream that is behind still tells of it."""
    old = server.put("configmaps", "a")
    server.put("configmaps", "other")
    first = asyncio.create_task(cluster.until(Ref("v1", "ConfigMap", "never", "default"), ready.exists, timeout=1000))
    await met(lambda: server.streams == 1)
    server.objects.clear()  # deleted, and the stream has not told yet
    server.version += 5
    wait = asyncio.create_task(cluster.until(A, ready.exists, timeout=1000))
    await asyncio.sleep(0.1)
    server.tell("MODIFIED", old, "configmaps")
    await asyncio.sleep(0.05)
    assert not wait.done()
    server.put("configmaps", "a")
    await asyncio.wait_for(wait, 30)
    first.cancel()


async def test_the_server_dies_and_forgets_during_the_wait(server: Server, cluster: HttpCluster) -> None:
    waits = [
        asyncio.create_task(cluster.until(Ref("v1", "ConfigMap", name, "default"), ready.exists, timeout=1000))
        for name in ("a", "b")
    ]
    await met(lambda: server.streams == 1)
    await server.die()
    await asyncio.sleep(0.1)
    server.put("configmaps", "a")
    server.forget()
    await server.start()
    await asyncio.wait_for(waits[0], 30)
    server.put("configmaps", "b")
    await asyncio.wait_for(waits[1], 30)


async def test_a_server_that_is_dead_from_the_beginning(server: Server, cluster: HttpCluster) -> None:
    await server.die()
    with pytest.raises(Unreachable) as late:
        await cluster.until(A, ready.exists, timeout=20)
    assert late.value.message == "ConfigMap default/a did not appear within 20 s"
    assert late.value.why.startswith("the API server does not answer: ")
    wait = asyncio.create_task(cluster.until(A, ready.exists, timeout=1000))
    await asyncio.sleep(0.1)
    await server.start()
    server.put("configmaps", "a")
    await asyncio.wait_for(wait, 10)


async def test_custom_kinds_are_not_believed_gone_while_the_server_starts(server: Server, cluster: HttpCluster) -> None:
    """A restarted server answers 404 for custom kinds until it has read their definitions."""
    server.put("widgets", "w")
    wait = asyncio.create_task(cluster.until(WIDGET, ready.absent, timeout=1000))
    await met(lambda: server.streams == 1)
    server.ready, kind = False, server.kinds.pop("widgets")
    server.forget()
    server.version += 1
    server.oldest = server.version
    server.cut()
    await asyncio.sleep(0.3)
    assert not wait.done()
    server.kinds["widgets"], server.ready = kind, True
    await met(lambda: server.streams == 1)
    await asyncio.sleep(0.05)
    assert not wait.done()
    server.drop("widgets", "w")
    assert await asyncio.wait_for(wait, 30) is None


class Late(Quick):
    """A clock on which the deadline of 4 s passes as soon as the object was judged, and no sooner on a busy machine."""

    def __init__(self) -> None:
        self.judged = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        if seconds == LIMIT:
            await self.judged.wait()
        elif seconds == EXPLAINING:
            await asyncio.sleep(30)
        else:
            await super().sleep(seconds)

    def judge(self, manifest: Manifest | None) -> Readiness:
        if manifest is not None:
            self.judged.set()
        return ready.judge(manifest)


@contextlib.asynccontextmanager
async def late_for(server: Server) -> AsyncIterator[tuple[HttpCluster, Late]]:
    clock = Late()
    cluster = HttpCluster(server.access, clock)
    try:
        yield cluster, clock
    finally:
        await cluster.close()


async def test_time_is_up_with_a_reason(server: Server) -> None:
    deployment(server, 2, 2, 1)
    labels = {"labels": {"app": "web"}}
    waiting = {"reason": "ErrImagePull", "message": "registry.example.org: no such host"}
    one = {"name": "main", "ready": False, "state": {"waiting": waiting}}
    status = {"phase": "Pending", "containerStatuses": [one]}
    server.put("pods", "web-1", metadata=labels, status=status)
    server.put("pods", "web-2", metadata=labels, status={"conditions": [{"type": "Ready", "status": "True"}]})
    server.put("events", "e1", involvedObject={"name": "web"}, type="Warning", reason="Bad", message="x\ny", count=3)

    def log(asked: Asked) -> Reply | None:
        return Reply(200, b"line one\nline two\n") if asked.path.endswith("/log") else None

    server.script = log
    async with late_for(server) as (cluster, clock):
        with pytest.raises(Transient) as late:
            await cluster.until(WEB, clock.judge, timeout=LIMIT)
    assert not isinstance(late.value, Unreachable)
    assert late.value.message == "Deployment default/web is not ready after 4 s"
    assert late.value.why.splitlines() == [
        "1 of 2 replicas are available",
        "Bad: x y (x3)",
        "pod web-1: Pending",
        "container main: ErrImagePull: registry.example.org: no such host",
        "  main> line one",
        "  main> line two",
    ]
    query = next(each.query for each in server.asked if each.path.endswith("/log"))
    assert query["tailLines"] == "6"
    assert query["container"] == "main"


async def test_a_reason_that_cannot_be_found_hides_nothing(server: Server) -> None:
    deployment(server, 2, 1, 2)
    server.script = lambda asked: failure(403, "no events for you") if "events" in asked.path else None
    async with late_for(server) as (cluster, clock):
        with pytest.raises(Transient) as late:
            await cluster.until(WEB, clock.judge, timeout=LIMIT)
    assert late.value.why.splitlines() == [
        "its status speaks of generation 1, and 2 is wanted",
        "the reason cannot be asked for: reading events of Deployment default/web is not allowed",
    ]


async def test_failed_is_told_at_once(server: Server, cluster: HttpCluster) -> None:
    def judge(manifest: Manifest | None) -> Readiness:
        return Readiness(Stage.FAILED, "broken for good") if manifest else Readiness(Stage.WAITING, "nothing")

    wait = asyncio.create_task(cluster.until(A, judge, timeout=1000, title="the thing"))
    await met(lambda: server.streams == 1)
    server.put("configmaps", "a")
    with pytest.raises(Permanent, match="the thing will not become ready") as failed:
        await asyncio.wait_for(wait, 30)
    assert failed.value.why == "broken for good"


async def test_a_denial_is_told_at_once(server: Server, cluster: HttpCluster) -> None:
    server.script = lambda asked: failure(403, "no") if "configmaps" in asked.path else None
    with pytest.raises(Denied):
        await asyncio.wait_for(cluster.until(A, ready.exists, timeout=1000), 30)


async def test_a_denial_of_a_server_that_starts_is_waited_out(server: Server, cluster: HttpCluster) -> None:
    server.put("configmaps", "a")
    server.ready = False
    server.script = lambda asked: failure(403, "no roles yet") if not server.ready and "/v1/" in asked.path else None
    wait = asyncio.create_task(cluster.until(A, ready.exists, timeout=1000))
    await asyncio.sleep(0.2)
    assert not wait.done()
    server.ready = True
    await asyncio.wait_for(wait, 30)


async def test_a_namespace_named_for_a_kind_without_one_does_no_harm(server: Server, cluster: HttpCluster) -> None:
    wait = asyncio.create_task(cluster.until(Ref("v1", "Namespace", "n", "data"), ready.exists, timeout=1000))
    await met(lambda: server.streams == 1)
    server.put("namespaces", "n")
    await asyncio.wait_for(wait, 30)


async def test_deadlines_go_by_the_clock_that_is_given(server: Server) -> None:
    class Frozen(SystemClock):
        def __init__(self) -> None:
            self.slept: list[float] = []

        async def sleep(self, seconds: float) -> None:
            self.slept.append(seconds)
            await asyncio.sleep(0.2)

    clock = Frozen()
    cluster = HttpCluster(server.access, clock)
    with pytest.raises(Transient):
        await cluster.until(A, ready.exists, timeout=86_400)
    assert 86_400 in clock.slept
    await cluster.close()


async def test_a_cancelled_wait_leaves_nothing_behind(server: Server, cluster: HttpCluster) -> None:
    wait = asyncio.create_task(cluster.until(A, ready.exists, timeout=1000))
    await met(lambda: server.streams == 1)
    wait.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wait
    await met(lambda: not len(cluster._feeds))
    await met(lambda: not [each for each in asyncio.all_tasks() if "kubernetes/f" in str(each)])  # cancelled, then gone


async def test_a_bug_of_a_judge_is_not_swallowed(server: Server, cluster: HttpCluster) -> None:
    def judge(manifest: Manifest | None) -> Readiness:
        raise ZeroDivisionError

    server.put("configmaps", "a")
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(cluster.until(A, judge, timeout=1000), 30)


async def test_a_thousand_waits_cost_one_stream(server: Server, cluster: HttpCluster) -> None:
    names = [f"m{each}" for each in range(300)]
    waits = [
        asyncio.create_task(cluster.until(Ref("v1", "ConfigMap", name, "default"), ready.exists, timeout=10_000))
        for name in names
    ]
    await met(lambda: server.streams == 1)
    for name in names:
        server.put("configmaps", name)
    done: list[Any] = await asyncio.wait_for(asyncio.gather(*waits), 120)
    assert len(done) == 300
    assert len([each for each in server.asked if each.watches]) == 1

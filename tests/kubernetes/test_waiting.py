"""Waits and watches on a real API server that is killed, restarted, and made to forget."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from ephemeral_castle.errors import Permanent, Transient, Unreachable
from ephemeral_castle.manifests import ready
from ephemeral_castle.spi.kubernetes import Change, Ref
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.kubernetes import HttpCluster
from tests.kubernetes.control import Control
from tests.kubernetes.objects import GROUP, config, custom, definition, namespace, pod

pytestmark = [pytest.mark.kubernetes, pytest.mark.evidence("real", "api-server")]


async def test_an_object_that_comes_later(cluster: HttpCluster) -> None:
    wait = asyncio.create_task(cluster.until(Ref.of(config("later")), ready.exists, timeout=20))
    await asyncio.sleep(0.3)
    await cluster.apply(config("later", a="1"))
    seen = await asyncio.wait_for(wait, 1)
    assert seen is not None
    assert seen["data"] == {"a": "1"}
    assert "managedFields" not in seen["metadata"]


async def test_many_waits_share_one_watch(cluster: HttpCluster) -> None:
    names = [f"shared-{each}" for each in range(50)]
    waits = [asyncio.create_task(cluster.until(Ref.of(config(name)), ready.exists, timeout=20)) for name in names]
    await asyncio.sleep(0.3)
    assert len(cluster._feeds) == 1
    for name in names:
        await cluster.apply(config(name))
    assert len(await asyncio.wait_for(asyncio.gather(*waits), 5)) == 50


async def test_a_kind_that_comes_later(cluster: HttpCluster) -> None:
    wanted = custom("Awaited", "a", size=1)
    wait = asyncio.create_task(cluster.until(Ref.of(wanted), ready.exists, timeout=30))
    await asyncio.sleep(0.5)
    await cluster.apply(definition("Awaited"))
    await cluster.until(_definition("Awaited"), ready.judge, timeout=20)
    async with asyncio.timeout(20):
        while not wait.done():
            try:
                await cluster.apply(wanted)
            except Exception:  # noqa: BLE001 - not served yet
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.05)
    assert await wait is not None


async def test_a_kind_that_goes_away_is_absence(cluster: HttpCluster) -> None:
    await cluster.apply(definition("Leaving"))
    await cluster.until(_definition("Leaving"), ready.judge, timeout=20)
    wanted = custom("Leaving", "a", size=1)
    await cluster.until(Ref.of(await _soon(cluster, wanted)), ready.exists, timeout=20)
    wait = asyncio.create_task(cluster.until(Ref.of(wanted), ready.absent, timeout=30))
    await asyncio.sleep(0.2)
    await cluster.delete(_definition("Leaving"))
    assert await wait is None


async def test_deletion_is_waited_for(cluster: HttpCluster) -> None:
    made = await cluster.apply(config("leaving"))
    await cluster.patch(Ref.of(made), {"metadata": {"finalizers": ["castle.test/hold"]}})
    await cluster.delete(Ref.of(made))
    with pytest.raises(Transient) as late:
        await cluster.until(Ref.of(made), ready.absent, timeout=0.5, title="ConfigMap leaving is gone")
    assert late.value.message == "ConfigMap leaving is gone: not within 0.5 s"
    assert "held by castle.test/hold" in late.value.why
    wait = asyncio.create_task(cluster.until(Ref.of(made), ready.absent, timeout=20))
    await asyncio.sleep(0.2)
    await cluster.patch(Ref.of(made), {"metadata": {"finalizers": None}})
    assert await asyncio.wait_for(wait, 2) is None


async def test_a_replaced_object_is_gone(cluster: HttpCluster) -> None:
    old = await cluster.apply(config("again"))
    wait = asyncio.create_task(cluster.until(Ref.of(old), ready.gone(old["metadata"]["uid"]), timeout=20))
    await asyncio.sleep(0.2)
    assert not wait.done()
    await cluster.delete(Ref.of(old))
    await cluster.apply(config("again"))
    await asyncio.wait_for(wait, 2)


async def test_the_reason_has_conditions_events_and_pods(cluster: HttpCluster) -> None:
    wanted = pod("stuck", app="stuck")
    made = await cluster.create(wanted)
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "nowhere/nothing:1 does not exist"}}
    conditions = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node has room"}]
    one = {"name": "main", "ready": False, "restartCount": 0, "image": "x", "imageID": "", "state": waiting}
    status = {"phase": "Pending", "conditions": conditions, "containerStatuses": [one]}
    await cluster.patch(Ref.of(made), {"status": status}, subresource="status")
    await cluster.create(_event(made, "Failed", 'pulling "nowhere/nothing:1": no such host'))
    with pytest.raises(Transient) as late:
        await cluster.until(Ref.of(made), ready.judge, timeout=0.5)
    for words in ("no node has room", "ImagePullBackOff", "nowhere/nothing:1 does not exist", "no such host"):
        assert words in late.value.why
    assert late.value.message == "Pod default/stuck is not ready after 0.5 s"


async def test_a_deployment_is_explained_by_its_pods(cluster: HttpCluster) -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod("x")["spec"]}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    meta = {"name": "web", "namespace": "default"}
    made = await cluster.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec})
    assert await cluster.explain(Ref.of(made)) == "it has no pods"
    crashed = await cluster.create(pod("web-1", app="web"))
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    last = {"terminated": {"exitCode": 7, "reason": "Error"}}
    one = {"name": "main", "ready": False, "restartCount": 3, "image": "x", "imageID": "", "state": waiting}
    status = {"phase": "Running", "containerStatuses": [{**one, "lastState": last}]}
    await cluster.patch(Ref.of(crashed), {"status": status}, subresource="status")
    why = await cluster.explain(Ref.of(made))
    assert "container main: CrashLoopBackOff: back-off 10s: exit status 7" in why
    with pytest.raises(Transient) as late:
        await cluster.until(Ref.of(made), ready.judge, timeout=0.3)
    assert late.value.why.startswith("its controller has not seen it yet\n")


async def test_a_job_that_failed_is_not_waited_for(cluster: HttpCluster) -> None:
    spec = {"template": {"spec": {**pod("x")["spec"], "restartPolicy": "Never"}}}
    meta = {"name": "migrate", "namespace": "default"}
    made = await cluster.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec})
    wait = asyncio.create_task(cluster.until(Ref.of(made), ready.judge, timeout=30, title="the migration"))
    await asyncio.sleep(0.2)
    why = {"reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}
    moment = "2026-01-01T00:00:00Z"
    conditions = [
        {"type": each, "status": "True", "lastTransitionTime": moment, **why} for each in ("FailureTarget", "Failed")
    ]
    status = {"conditions": conditions, "failed": 7, "startTime": moment}
    await cluster.patch(Ref.of(made), {"status": status}, subresource="status")
    with pytest.raises(Permanent, match="the migration will not become ready") as failed:
        await asyncio.wait_for(wait, 3)
    assert "BackoffLimitExceeded" in failed.value.why


async def test_the_server_is_killed_while_something_is_waited_for(control: Control, cluster: HttpCluster) -> None:
    ref = Ref.of(config("after-death"))
    wait = asyncio.create_task(cluster.until(ref, ready.exists, timeout=60))
    changes = _Changes(cluster)
    await changes.until_quiet()
    control.kill_server()
    await asyncio.sleep(1.0)
    assert not wait.done()
    assert not await cluster.ready()
    with pytest.raises(Unreachable) as late:
        await cluster.until(Ref.of(config("never")), ready.exists, timeout=0.5)
    assert "the API server does not answer" in late.value.why
    await asyncio.to_thread(_restart, control)
    other = HttpCluster(control.access(), SystemClock())
    try:
        await other.apply(config("after-death", a="1"))
        assert await asyncio.wait_for(wait, 5) is not None
        await changes.until_seen("ADDED", "after-death")
    finally:
        await other.close()
        await changes.close()


async def test_nothing_is_missed_when_the_server_forgets(
    control: Control, cluster: HttpCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changed unseen, compacted, killed, restarted: 410, and a list that tells the difference."""
    await cluster.apply(namespace("gap"))
    for name in ("stays", "changes", "goes", "comes-again"):
        await cluster.apply(config(name, "gap", a="1"))
    changes = _Changes(cluster, "gap")
    await changes.until_quiet()
    goes = asyncio.create_task(cluster.until(Ref.of(config("goes", "gap")), ready.absent, timeout=60))
    old = await cluster.get(Ref.of(config("comes-again", "gap")))
    assert old is not None
    uid = old["metadata"]["uid"]
    replaced = asyncio.create_task(cluster.until(Ref.of(old), ready.gone(uid), timeout=60))
    await asyncio.sleep(0.3)
    changes.told.clear()
    feed = next(iter(cluster._feeds._feeds.values()))
    lost: list[str] = []
    lose, follow = feed._lose, feed._follow

    def told() -> None:
        lost.append(feed._moment)
        lose()

    monkeypatch.setattr(feed, "_lose", told)
    monkeypatch.setattr(feed, "_follow", _blind)  # hears nothing for a while, as behind a network that is gone
    feed._task.cancel()
    feed._task = asyncio.create_task(feed._run())
    other = HttpCluster(control.access(), SystemClock())
    try:
        await other.apply(config("changes", "gap", a="2"))
        await other.delete(Ref.of(config("goes", "gap")))
        await other.delete(Ref.of(config("comes-again", "gap")))
        await other.apply(config("comes-again", "gap", a="3"))
        await other.apply(config("new", "gap"))
        control.compact()
        control.kill_server()
        monkeypatch.setattr(feed, "_follow", follow)
        await asyncio.to_thread(_restart, control)
        assert await asyncio.wait_for(goes, 15) is None
        await asyncio.wait_for(replaced, 15)
        await changes.until_seen("ADDED", "new")
        await changes.until_seen("DELETED", "goes")
    finally:
        await other.close()
        await changes.close()
    assert lost
    differences = sorted((each.type, each.object["metadata"]["name"]) for each in changes.told)
    assert differences == [
        ("ADDED", "comes-again"),
        ("ADDED", "new"),
        ("DELETED", "comes-again"),
        ("DELETED", "goes"),
        ("MODIFIED", "changes"),
    ]


async def test_a_watch_of_large_and_strange_objects(cluster: HttpCluster) -> None:
    await cluster.apply(namespace("strange"))
    changes = _Changes(cluster, "strange")
    await changes.until_quiet()
    text = "a\x85b\u2028c\u2029d\r\n" + "ä" * 450_000
    await cluster.apply(config("large", "strange", text=text))
    await changes.until_seen("ADDED", "large")
    assert changes.told[-1].object["data"] == {"text": text}
    await changes.close()


class _Changes:
    """What a watch told so far."""

    def __init__(self, cluster: HttpCluster, namespace: str = "") -> None:
        self.told: list[Change] = []
        self._watch: AsyncIterator[Change] = cluster.watch("v1", "ConfigMap", namespace)
        self._task = asyncio.create_task(self._follow())

    async def until_quiet(self) -> None:
        seen = -1
        while seen != len(self.told):
            seen = len(self.told)
            await asyncio.sleep(0.5)

    async def until_seen(self, type_: str, name: str) -> None:
        async with asyncio.timeout(15):
            while (type_, name) not in [(each.type, each.object["metadata"]["name"]) for each in self.told]:
                assert not self._task.done()
                await asyncio.sleep(0.05)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        async for change in self._watch:
            self.told.append(change)


async def _blind() -> None:
    await asyncio.sleep(0.2)


def _restart(control: Control) -> None:
    control.start_server()
    control.wait()


def _event(about, reason: str, message: str):
    meta = about["metadata"]
    involved = {"kind": about["kind"], "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{meta['name']}.1", "namespace": meta["namespace"]},
        "involvedObject": involved,
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": "2026-01-01T00:00:00Z",
    }


def _definition(kind: str) -> Ref:
    return Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{kind.lower()}s.{GROUP}")


async def _soon(cluster: HttpCluster, manifest):
    async with asyncio.timeout(20):
        while True:
            try:
                return await cluster.apply(manifest)
            except Permanent:
                await asyncio.sleep(0.05)

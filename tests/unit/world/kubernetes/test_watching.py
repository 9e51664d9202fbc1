"""Watches: nothing is missed, nothing is told twice, whatever happens to the stream."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ephemeral_castle.errors import Denied, NotFound, Unreachable
from ephemeral_castle.spi.kubernetes import Change, Manifest
from ephemeral_castle.world.kubernetes import HttpCluster, watching
from tests.unit.world.kubernetes.server import Asked, Quick, Reply, Server, failure, met, serving


class Mirror:
    """Follows a watch, and holds what a person would believe to be there. Complains about a story with a hole."""

    def __init__(self, cluster: HttpCluster, kind: str = "ConfigMap", namespace: str = "", labels: str = "") -> None:
        self.there: dict[tuple[str, str], Manifest] = {}
        self.told: list[str] = []
        self.wrong: list[str] = []
        self.pace = asyncio.Event()
        self.pace.set()
        self._watch: AsyncIterator[Change] = cluster.watch("v1", kind, namespace, labels=labels)
        self.task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async for change in self._watch:
            await self.pace.wait()
            self._take(change)

    def _take(self, change: Change) -> None:
        meta = change.object["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        old = self.there.get(key)
        self.told.append(f"{change.type} {meta['name']}")
        if (change.type == "ADDED") == (old is not None):
            self.wrong.append(f"{change.type} of {key}, and before it was {old and old['metadata']}")
        if change.type == "DELETED":
            self.there.pop(key, None)
            return
        if "managedFields" in meta:
            self.wrong.append("managed fields")
        if old is not None and int(meta["resourceVersion"]) <= int(old["metadata"]["resourceVersion"]):
            self.wrong.append(f"{key} went back")
        self.there[key] = change.object

    def agrees(self, server: Server, plural: str = "configmaps") -> bool:
        stored = {
            (space, name): each["metadata"]["resourceVersion"]
            for (about, space, name), each in server.objects.items()
            if about == plural
        }
        return stored == {key: each["metadata"]["resourceVersion"] for key, each in self.there.items()}

    async def until_it_agrees(self, server: Server, seconds: float = 20) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not self.agrees(server):
                    assert not self.task.done(), self.task.exception()
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"{sorted(self.there)} is not {sorted(server.objects)}; {self.told}") from None
        assert not self.wrong

    async def close(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


async def _streaming(server: Server, streams: int = 1) -> None:
    # A server that dies within a handshake is noticed after 5 s of the real clock.
    await met(lambda: server.streams >= streams, seconds=15)


async def test_all_that_is_there_and_then_every_change(server: Server, cluster: HttpCluster) -> None:
    for each in range(1200):
        server.put("configmaps", f"m{each:04d}", data={"a": "1"})
    mirror = Mirror(cluster)
    await mirror.until_it_agrees(server)
    assert len(mirror.told) == 1200
    server.put("configmaps", "m0000", data={"a": "2"})
    server.drop("configmaps", "m0001")
    server.put("configmaps", "new")
    await mirror.until_it_agrees(server)
    assert mirror.told[1200:] == ["MODIFIED m0000", "DELETED m0001", "ADDED new"]
    await mirror.close()


@pytest.mark.parametrize("polite", [True, False])
async def test_gone_is_answered_by_a_list_that_tells_the_difference(
    server: Server, cluster: HttpCluster, polite: bool
) -> None:
    server.polite = polite
    for name in ("stays", "changes", "goes", "comes-again"):
        server.put("configmaps", name)
    mirror = Mirror(cluster)
    await mirror.until_it_agrees(server)
    await _streaming(server)
    mirror.told.clear()
    await server.die()
    server.put("configmaps", "changes", data={"a": "2"})
    server.drop("configmaps", "goes")
    server.drop("configmaps", "comes-again")
    server.put("configmaps", "comes-again")
    server.put("configmaps", "new")
    server.forget()
    await server.start()
    await mirror.until_it_agrees(server)
    assert sorted(mirror.told) == [
        "ADDED comes-again",
        "ADDED new",
        "DELETED comes-again",
        "DELETED goes",
        "MODIFIED changes",
    ]
    await mirror.close()


async def test_a_stream_that_is_cut_in_the_middle_of_a_line(server: Server, cluster: HttpCluster) -> None:
    made = server.put("configmaps", "a", data={"a": "1"})
    mirror = Mirror(cluster)
    await _streaming(server)
    server.halve("configmaps", {**made, "data": {"a": "x" * 10_000}})
    await asyncio.sleep(0.02)
    server.put("configmaps", "a", data={"a": "2"})
    await mirror.until_it_agrees(server)
    assert mirror.told == ["ADDED a", "MODIFIED a"]
    await mirror.close()


async def test_a_stream_that_ends_in_time_goes_on_where_it_was(server: Server, cluster: HttpCluster) -> None:
    server.put("configmaps", "a")
    mirror = Mirror(cluster)
    await _streaming(server)
    server.end_streams()
    server.put("configmaps", "b")
    await mirror.until_it_agrees(server)
    lists = [each for each in server.asked if not each.watches and each.path.endswith("/configmaps")]
    assert len(lists) == 2  # one for the moment, one for the objects; none after the stream
    await mirror.close()


async def test_bookmarks_spare_a_list(server: Server, cluster: HttpCluster) -> None:
    """The collection is quiet while others change: without bookmarks its moment would be forgotten."""
    server.put("configmaps", "a")
    mirror = Mirror(cluster)
    await _streaming(server)
    for each in range(10):
        server.put("pods", f"p{each}")
    server.bookmark()
    await asyncio.sleep(0.02)
    server.oldest = server.version
    server.cut()
    await _streaming(server)
    server.put("configmaps", "b")
    await mirror.until_it_agrees(server)
    watches = [each.query for each in server.asked if each.watches]
    assert watches[-1]["resourceVersion"] == str(server.version - 1)
    assert all(each["allowWatchBookmarks"] == "true" for each in watches)
    await mirror.close()


async def test_old_news_are_not_told_again(server: Server, cluster: HttpCluster) -> None:
    """A server that repeats itself, or is behind its fellows."""
    old = server.put("configmaps", "a", data={"a": "1"})
    server.put("configmaps", "a", data={"a": "2"})
    mirror = Mirror(cluster)
    await mirror.until_it_agrees(server)
    await _streaming(server)
    server.tell("MODIFIED", old, "configmaps")
    server.tell("DELETED", old, "configmaps")
    server.tell("ADDED", {**old, "metadata": {**old["metadata"], "name": "ghost"}}, "configmaps")
    server.put("configmaps", "b")
    await mirror.until_it_agrees(server)
    assert mirror.told == ["ADDED a", "ADDED b"]
    await mirror.close()


async def test_a_reader_that_sleeps_costs_no_memory(
    server: Server, cluster: HttpCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "BACKLOG", 20)
    mirror = Mirror(cluster)
    await _streaming(server)
    server.put("configmaps", "first")
    await mirror.until_it_agrees(server)
    mirror.pace.clear()
    for each in range(200):
        server.put("configmaps", f"m{each % 50}", data={"a": str(each)})
    for each in range(25):
        server.drop("configmaps", f"m{each}")
    await asyncio.sleep(0.1)
    mirror.pace.set()
    await mirror.until_it_agrees(server)
    await mirror.close()


async def test_a_second_reader_joins_the_stream_of_the_first(server: Server, cluster: HttpCluster) -> None:
    server.put("configmaps", "a")
    first = Mirror(cluster)
    await first.until_it_agrees(server)
    second = Mirror(cluster)
    await second.until_it_agrees(server)
    server.put("configmaps", "b")
    await first.until_it_agrees(server)
    await second.until_it_agrees(server)
    assert len([each for each in server.asked if each.watches]) == 1
    await first.close()
    server.put("configmaps", "c")
    await second.until_it_agrees(server)
    await second.close()
    await met(lambda: not len(cluster._feeds))  # LINGER, twenty times as fast


async def test_a_garbled_line_is_a_broken_stream(server: Server, cluster: HttpCluster) -> None:
    mirror = Mirror(cluster)
    await _streaming(server)
    from tests.unit.world.kubernetes import server as module

    for writer in list(server._streams):
        module._chunk(writer, b"<html>maintenance</html>\n")
    server.put("configmaps", "a")
    await mirror.until_it_agrees(server)
    await mirror.close()


async def test_a_server_that_ends_every_stream_at_once_is_not_stormed(server: Server) -> None:
    cluster = HttpCluster(server.access, Quick())
    server.script = lambda asked: Reply(200, b"") if asked.watches else None
    mirror = Mirror(cluster)
    await asyncio.sleep(0.5)  # ten seconds of that clock
    assert len([each for each in server.asked if each.watches]) < 40
    await mirror.close()
    await cluster.close()


async def test_a_denial_of_a_server_that_starts_is_waited_out(server: Server, cluster: HttpCluster) -> None:
    server.ready = False
    server.script = lambda asked: failure(403, "roles are not read yet") if asked.watches and not server.ready else None
    mirror = Mirror(cluster)
    await asyncio.sleep(0.1)
    assert not mirror.task.done()
    server.ready = True
    server.put("configmaps", "a")
    await mirror.until_it_agrees(server)
    await mirror.close()


async def test_a_denial_of_a_ready_server_ends_the_watch(server: Server, cluster: HttpCluster) -> None:
    server.script = lambda asked: failure(403, "no") if asked.watches else None
    mirror = Mirror(cluster)
    with pytest.raises(Denied):
        await asyncio.wait_for(mirror.task, 30)


async def test_a_kind_that_goes_away_ends_the_watch(server: Server, cluster: HttpCluster) -> None:
    mirror = Mirror(cluster)
    await _streaming(server)
    del server.kinds["configmaps"]
    server.forget()
    server.version += 1
    server.oldest = server.version
    server.cut()
    with pytest.raises(NotFound):
        await asyncio.wait_for(mirror.task, 30)


async def test_close_ends_whoever_watches(server: Server, cluster: HttpCluster) -> None:
    mirrors = [Mirror(cluster), Mirror(cluster, "Pod")]
    await _streaming(server, 2)
    await cluster.close()
    for each in mirrors:
        with pytest.raises(Unreachable, match="was closed"):
            await asyncio.wait_for(each.task, 30)
    assert server.asked
    await asyncio.sleep(0.05)
    assert not server.streams or server._writers


async def test_close_ends_whoever_waits_for_a_dead_server(server: Server, cluster: HttpCluster) -> None:
    await cluster.list("v1", "ConfigMap")
    await server.die()
    mirror = Mirror(cluster)
    await asyncio.sleep(0.1)
    await cluster.close()
    with pytest.raises(Unreachable, match="was closed"):
        await asyncio.wait_for(mirror.task, 30)


async def test_labels_and_namespace_are_asked_for(server: Server, cluster: HttpCluster) -> None:
    mirror = Mirror(cluster, namespace="a", labels="app=x")
    await _streaming(server)
    about: list[Asked] = [each for each in server.asked if "configmaps" in each.path]
    assert {each.path for each in about} == {"/api/v1/namespaces/a/configmaps"}
    assert {each.query["labelSelector"] for each in about} == {"app=x"}
    await mirror.close()


ACTS = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 5)),
    st.tuples(st.just("drop"), st.integers(0, 5)),
    st.tuples(
        st.sampled_from(["cut", "end", "forget", "bookmark", "die", "start", "wait", "rude", "late"]), st.just(0)
    ),
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ACTS, min_size=3, max_size=25))
def test_the_mirror_agrees_with_the_store_in_the_end(acts: list[tuple[str, int]]) -> None:
    with warnings.catch_warnings():
        # asyncio's server leaves a connection to the garbage collector that is let in while it closes.
        warnings.simplefilter("ignore", ResourceWarning)
        asyncio.run(_story(acts))
        gc.collect()


async def _story(acts: list[tuple[str, int]]) -> None:
    async with serving() as server:
        cluster = HttpCluster(server.access, Quick())
        mirrors = [Mirror(cluster)]
        alive = True
        try:
            for act, number in acts:
                alive = await _play(server, act, number, alive=alive)
                if act == "late":
                    mirrors.append(Mirror(cluster))
                await asyncio.sleep(0)
            if not alive:
                await server.start()
            for each in mirrors:
                await each.until_it_agrees(server)
            # httpcore leaves a socket to the garbage collector when it is cancelled within a TLS handshake
            await _streaming(server)
        finally:
            for each in mirrors:
                await each.close()
            await cluster.close()
            await asyncio.sleep(0.01)  # connections are closed by the loop's next turns


async def _play(server: Server, act: str, number: int, *, alive: bool) -> bool:
    plain: dict[str, Any] = {
        "put": lambda: server.put("configmaps", f"m{number}", data={"v": str(server.version)}),
        "drop": lambda: server.drop("configmaps", f"m{number}"),
        "cut": server.cut,
        "end": server.end_streams,
        "forget": server.forget,
        "bookmark": server.bookmark,
        "rude": lambda: setattr(server, "polite", not server.polite),
    }
    if act in plain:
        plain[act]()
    elif act == "wait":
        await asyncio.sleep(0.02)
    elif act == "die" and alive:
        await server.die()
        return False
    elif act == "start" and not alive:
        await server.start()
        return True
    return alive

"""Requests: tried again when that is right, told as they must be understood."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from ephemeral_castle.errors import CastleError, Conflict, Denied, NotFound, Permanent, Transient, Unreachable
from ephemeral_castle.spi.kubernetes import Ref
from ephemeral_castle.world.kubernetes import HttpCluster, wire
from tests.unit.world.kubernetes.server import Asked, Reply, Server, failure

A = Ref("v1", "ConfigMap", "a", "default")
MANIFEST = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}, "data": {}}


class Script:
    """Answers the first requests about objects as told, then leaves it to the store."""

    def __init__(self, *replies: Reply, method: str = "") -> None:
        self.replies = list(replies)
        self.method = method

    def __call__(self, asked: Asked) -> Reply | None:
        about = "configmaps" in asked.path and self.method in ("", asked.method)
        return self.replies.pop(0) if about and self.replies else None


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (failure(401, "Unauthorized"), Denied),
        (failure(403, "no"), Denied),
        (failure(403, "going", causes=[{"reason": "NamespaceTerminating"}]), Transient),
        (failure(500, 'failed calling webhook "a.b": dial tcp: connection refused'), Transient),
        (failure(403, 'admission webhook "a.b" denied the request: not on a Sunday'), Transient),
        (failure(400, 'admission webhook "a.b" denied the request: no'), Transient),
        (failure(404, 'namespaces "x" not found', "NotFound", name="x"), NotFound),
        (failure(409, "object exists", "AlreadyExists"), Conflict),
        (failure(409, "c", "Conflict", causes=[{"reason": "FieldManagerConflict"}]), Conflict),
        (failure(400, "bad"), Permanent),
        (failure(422, "spec.x: Invalid value", "Invalid"), Permanent),
        (failure(405, "not allowed"), Permanent),
        (failure(413, "too large"), Permanent),
        (failure(500, "etcdserver: request is too large"), Permanent),
        (failure(500, "failed to create typed patch object (x): .y: field not declared in schema"), Permanent),
    ],
)
async def test_a_no_is_told_in_the_servers_words_and_not_asked_again(
    server: Server, cluster: HttpCluster, reply: Reply, expected: type[CastleError]
) -> None:
    again = [reply] * (reply.status in (401, 403))  # of who may do what, a second no is believed
    server.script = Script(reply, *again, Reply(200, MANIFEST))
    with pytest.raises(CastleError) as told:
        await cluster.apply(MANIFEST)
    assert type(told.value) is expected
    assert reply.body["message"] in told.value.why
    assert told.value.where == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize(
    "reply",
    [
        failure(429, "slow", headers={"retry-after": "1"}),
        failure(500, "etcdserver: leader changed"),
        failure(503, "starting"),
        failure(504, "timeout"),
        failure(409, "Operation cannot be fulfilled: the object has been modified", "Conflict"),
        Reply(502, b"<html>bad gateway</html>"),
        Reply(200, MANIFEST, cut=10),
    ],
)
async def test_what_may_pass_is_asked_again(server: Server, cluster: HttpCluster, reply: Reply) -> None:
    server.script = Script(reply, reply, reply)
    assert (await cluster.apply(MANIFEST))["metadata"]["name"] == "a"


async def test_it_gives_up_in_the_end(server: Server, cluster: HttpCluster) -> None:
    server.script = Script(*[failure(503, "the API server is starting")] * 50)
    with pytest.raises(Unreachable) as told:
        await cluster.apply(MANIFEST)
    assert told.value.why == "the API server is starting"
    assert told.value.state == "whether it was done is not known"
    assert len([each for each in server.asked if each.method == "PATCH"]) == 5
    server.script = Script(Reply(502, b"<html>\n bad</html>"), *[Reply(502, b"x" * 2000)] * 50)
    with pytest.raises(Unreachable) as told:
        await cluster.get(A)
    assert told.value.state == ""
    assert len(told.value.why) == 500


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            'Internal error occurred: failed calling webhook "judge.example": context deadline exceeded',
            "does not answer",
        ),
        ('admission webhook "judge.example" denied the request: not on a Sunday', "refuses it"),
    ],
)
async def test_a_webhook_in_the_way_is_named_and_worth_a_while(
    server: Server, cluster: HttpCluster, words: str, said: str
) -> None:
    server.script = Script(*[failure(500, words)] * 3)
    with pytest.raises(Transient) as told:
        await cluster.apply(MANIFEST)
    assert told.value.message == f"applying ConfigMap default/a: the webhook judge.example {said}"
    assert (told.value.state, told.value.patience) == ("nothing was written", 90.0)
    assert posts(server, "PATCH") == 1


async def test_a_namespace_that_goes_is_told_with_what_holds_it(server: Server, cluster: HttpCluster) -> None:
    """All that was said was that it is being deleted; the finalizer of a dead controller held it."""
    message = "Some content in the namespace has finalizers remaining: a.b/hold in 1 resource instances"
    condition = {"type": "NamespaceFinalizersRemaining", "status": "True", "reason": "SomeFinalizersRemain",
                 "message": message}  # fmt: skip
    server.put("namespaces", "default", "", status={"conditions": [condition]},
               metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})  # fmt: skip
    for write in (cluster.apply, cluster.create):
        server.script = Script(*[failure(403, "going", causes=[{"reason": "NamespaceTerminating"}])] * 2)
        with pytest.raises(Transient) as told:
            await write(MANIFEST)
        assert message in told.value.why
        assert told.value.patience > 60
        assert any("finalizer" in each for each in told.value.hints)


async def test_retry_after_is_honoured(server: Server, cluster: HttpCluster) -> None:
    await cluster.list("v1", "ConfigMap")
    server.script = Script(failure(429, "slow", headers={"retry-after": "8"}))
    began = asyncio.get_running_loop().time()
    await cluster.apply(MANIFEST)
    assert asyncio.get_running_loop().time() - began > 8 / 20


UNSURE = [Reply(201, MANIFEST, cut=0), failure(504, "timeout")]


class Deaf(Script):
    """Carries a request out, and gives another answer to it, or none."""

    def __init__(self, server: Server, *replies: Reply, method: str) -> None:
        super().__init__(*replies, method=method)
        self.server = server

    def __call__(self, asked: Asked) -> Reply | None:
        reply = super().__call__(asked)
        if reply is not None:
            self.server._answer(asked)
        return reply


def posts(server: Server, method: str = "POST") -> int:
    return len([each for each in server.asked if each.method == method])


@pytest.mark.parametrize("reply", UNSURE)
async def test_a_create_of_unknown_end_that_was_done_is_not_sent_twice(
    server: Server, cluster: HttpCluster, reply: Reply
) -> None:
    server.script = Deaf(server, reply, method="POST")
    assert (await cluster.create(MANIFEST))["metadata"]["uid"] == server.objects["configmaps", "default", "a"][
        "metadata"
    ]["uid"]  # fmt: skip
    assert posts(server) == 1


@pytest.mark.parametrize("reply", UNSURE)
async def test_a_create_of_unknown_end_that_was_not_done_is_sent_again(
    server: Server, cluster: HttpCluster, reply: Reply
) -> None:
    server.script = Script(reply, method="POST")
    await cluster.create(MANIFEST)
    assert posts(server) == 2


async def test_a_create_that_comes_through_late_is_known_by_its_request(server: Server, cluster: HttpCluster) -> None:
    """It was looked for too early: the second request finds the work of the first."""

    def late(asked: Asked) -> Reply | None:
        first, *more = [each for each in server.asked if each.method == "POST"] or [asked]
        if asked.method == "POST" and more:
            server._answer(first)
        return failure(504, "timeout") if asked is first and asked.method == "POST" else None

    server.script = late
    made = await cluster.create(MANIFEST)
    assert made["metadata"]["uid"]
    assert posts(server) == 2


async def test_what_another_made_meanwhile_is_not_taken_for_ours(server: Server, cluster: HttpCluster) -> None:
    def other(asked: Asked) -> Reply | None:
        if asked.method == "POST":
            server.put("configmaps", "a")
            return failure(504, "timeout")
        return None

    server.script = other
    with pytest.raises(Conflict, match="it exists already"):
        await cluster.create(MANIFEST)


async def test_a_create_whose_end_cannot_be_seen_says_so(server: Server, cluster: HttpCluster) -> None:
    server.script = Script(failure(504, "timeout"), *[failure(503, "starting")] * 20)
    with pytest.raises(Unreachable) as told:
        await cluster.create(MANIFEST)
    assert (told.value.why, told.value.state) == ("timeout", "whether it was done is not known")
    assert posts(server) == 1


@pytest.mark.parametrize("uid", [False, True])
async def test_a_delete_of_unknown_end_does_not_meet_what_came_after(
    server: Server, cluster: HttpCluster, uid: bool
) -> None:
    """A controller had made the next one by the time that the request was sent again."""
    old = server.put("configmaps", "a")["metadata"]["uid"]

    def replaced(asked: Asked) -> Reply | None:
        if asked.method == "DELETE" and posts(server, "DELETE") == 1:
            server._answer(asked)
            server.put("configmaps", "a")
            return failure(504, "timeout")
        return None

    server.script = replaced
    await cluster.delete(A, uid=old if uid else "")
    assert posts(server, "DELETE") == 2
    assert server.objects["configmaps", "default", "a"]["metadata"]["uid"] != old
    with pytest.raises(Conflict):
        await cluster.delete(A, uid=old)


async def test_a_write_that_a_webhook_holds_up_is_waited_for_and_not_broken_off(
    server: Server, cluster: HttpCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "SHORT", 0.05)
    await cluster.list("v1", "ConfigMap")
    server.script = Script(Reply(200, MANIFEST, after=0.3))
    await cluster.apply(MANIFEST)
    assert posts(server, "PATCH") == 1


@pytest.mark.parametrize(("write", "tries"), [("apply", 2), ("patch", 2), ("delete", 2), ("create", 1)])
async def test_a_server_that_takes_writes_and_never_answers_is_given_up_soon(
    server: Server, cluster: HttpCluster, monkeypatch: pytest.MonkeyPatch, write: str, tries: int
) -> None:
    """Five tries of sixty seconds each were longer than the deadline of any step."""
    for name, seconds in (("SHORT", 0.05), ("READYZ", 0.05), ("WRITE", 30.0)):
        monkeypatch.setattr(wire, name, seconds)
    await cluster.list("v1", "ConfigMap")
    server.script = lambda _: Reply(hang=True)
    given: dict[str, tuple[Any, ...]] = {"apply": (MANIFEST,), "create": (MANIFEST,), "patch": (A, {}), "delete": (A,)}
    more = {"uid": "u"} if write == "delete" else {}
    with pytest.raises(Unreachable, match="the API server does not answer") as told:
        await getattr(cluster, write)(*given[write], **more)
    assert told.value.state == "whether it was done is not known"
    assert len([each for each in server.asked if each.method != "GET"]) == tries


async def test_one_hanging_server_of_several_is_left_for_another(
    server: Server, cluster: HttpCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a load balancer: the question whether it lives goes to one that does."""
    for name, seconds in (("SHORT", 0.05), ("READYZ", 5.0), ("WRITE", 0.2)):
        monkeypatch.setattr(wire, name, seconds)
    for write in (cluster.apply, cluster.create):
        server.objects.clear()
        server.script = Script(Reply(hang=True))
        assert (await write(MANIFEST))["metadata"]["name"] == "a"


async def test_a_create_that_surely_was_not_done_is_sent_again(server: Server, cluster: HttpCluster) -> None:
    server.script = Script(failure(429, "slow"), failure(429, "slow"), method="POST")
    await cluster.create(MANIFEST)
    await cluster.list("v1", "ConfigMap")
    await server.die()
    server.drop("configmaps", "a")
    await asyncio.sleep(0.05)  # the connection that stood is seen to be dead before it is used again

    async def revive() -> None:
        await asyncio.sleep(0.02)
        await server.start()

    later = asyncio.create_task(revive())
    await cluster.create(MANIFEST)
    await later


async def test_a_server_that_dies_and_comes_back_is_waited_for(server: Server, cluster: HttpCluster) -> None:
    server.put("configmaps", "a")
    assert await cluster.get(A)
    await server.die()
    with pytest.raises(Unreachable, match="reading ConfigMap default/a: the API server does not answer"):
        await cluster.get(A)
    assert not await cluster.ready()
    await server.start()
    assert await cluster.get(A)


async def test_absence_is_not_believed_from_a_server_that_starts(server: Server, cluster: HttpCluster) -> None:
    widget = Ref("tests.castle/v1", "Widget", "a", "default")
    server.put("widgets", "a")
    assert await cluster.get(widget)
    kind, server.ready = server.kinds.pop("widgets"), False
    for ask in (cluster.get(widget), cluster.get(widget), cluster.delete(widget)):
        with pytest.raises(Unreachable, match="is not ready"):
            await ask
    server.ready = True
    assert await cluster.get(widget) is None
    await cluster.delete(widget)
    server.kinds["widgets"] = kind
    assert await cluster.get(widget)


async def test_a_list_of_a_kind_that_a_starting_server_does_not_know_is_no_empty_one(
    server: Server, cluster: HttpCluster
) -> None:
    """Flux was taken for absent, and neither suspended nor woken."""
    server.put("widgets", "a")
    kind, server.ready = server.kinds.pop("widgets"), False
    for _ in range(2):
        with pytest.raises(Unreachable, match="listing Widget: the API server is not ready"):
            await cluster.list("tests.castle/v1", "Widget")
    server.ready = True
    with pytest.raises(NotFound):
        await cluster.list("tests.castle/v1", "Widget")
    server.kinds["widgets"] = kind
    assert len(await cluster.list("tests.castle/v1", "Widget")) == 1


@pytest.mark.parametrize("code", [401, 403])
async def test_a_no_of_a_server_that_does_not_know_its_roles_yet_is_not_believed(
    server: Server, cluster: HttpCluster, code: int
) -> None:
    server.put("configmaps", "a")
    server.ready, no = False, failure(code, "not yet")
    server.script = Script(no)
    with pytest.raises(Unreachable, match="the API server is not ready") as told:
        await cluster.list("v1", "ConfigMap")
    assert told.value.why == "not yet"
    server.ready = True  # between its no and the question
    server.script = Script(no)
    assert len(await cluster.list("v1", "ConfigMap")) == 1
    server.script = Script(no, no)
    with pytest.raises(Denied):
        await cluster.list("v1", "ConfigMap")


async def test_an_account_that_may_not_see_readyz_is_told_that_it_is_denied(
    server: Server, cluster: HttpCluster
) -> None:
    server.script = lambda asked: failure(403, "no") if "configmaps" in asked.path or "readyz" in asked.path else None
    with pytest.raises(Denied):
        await cluster.list("v1", "ConfigMap")


@pytest.mark.parametrize(
    "body",
    [
        b"<html>login</html>",
        b"{}",
        b"[]",
        b'{"items": []}',
        b'{"kind": "ConfigMapList", "metadata": {}, "items": []}',
        b'{"kind": "Status", "metadata": {"resourceVersion": "7"}}',
    ],
)
async def test_an_answer_that_is_no_list_is_no_empty_list(server: Server, cluster: HttpCluster, body: bytes) -> None:
    server.script = Script(*[Reply(200, body)] * 10)
    with pytest.raises(Unreachable, match="what answers is no API server, or is cut short"):
        await cluster.list("v1", "ConfigMap")


@pytest.mark.parametrize("kind", ["ConfigMapList", "Herd"])
async def test_a_list_is_known_by_its_kind_or_by_its_items(server: Server, cluster: HttpCluster, kind: str) -> None:
    items: list[object] | None = None if kind.endswith("List") else []
    server.script = Script(Reply(200, {"kind": kind, "metadata": {"resourceVersion": "7"}, "items": items}))
    assert await cluster.list("v1", "ConfigMap") == []


@pytest.mark.parametrize("lives", [False, True])
async def test_a_server_that_takes_connections_and_never_answers_is_given_up_soon(
    server: Server, cluster: HttpCluster, monkeypatch: pytest.MonkeyPatch, lives: bool
) -> None:
    """Five times sixty seconds were longer than any step that would have gone on without it had."""
    for name, seconds in (("SHORT", 0.05), ("READYZ", 0.2 if lives else 0.05), ("SILENCE", 30.0)):
        monkeypatch.setattr(wire, name, seconds)
    await cluster.list("v1", "ConfigMap")
    tries = 0

    def hangs(asked: Asked) -> Reply | None:
        nonlocal tries
        if lives and "readyz" in asked.path:
            return None
        tries += "configmaps" in asked.path
        return None if lives and tries > 1 else Reply(hang=True)

    server.script = hangs
    if lives:
        assert await cluster.list("v1", "ConfigMap") == []
        return
    with pytest.raises(Unreachable, match="the API server does not answer"):
        await cluster.list("v1", "ConfigMap")
    assert tries == 1


async def test_discovery_without_aggregation(server: Server, cluster: HttpCluster) -> None:
    server.aggregated = False
    server.put("widgets", "a")
    assert len(await cluster.list("tests.castle/v1", "Widget")) == 1
    kinds = {each.kind: each for each in await cluster._kinds.all()}
    assert set(kinds) == {"ConfigMap", "Event", "Namespace", "Pod", "Deployment", "Widget"}
    assert not kinds["Namespace"].namespaced
    assert kinds["Deployment"].collection("a b") == "/apis/apps/v1/namespaces/a%20b/deployments"


async def test_a_kind_is_looked_for_again_when_it_is_not_known(server: Server, cluster: HttpCluster) -> None:
    kind = server.kinds.pop("widgets")
    with pytest.raises(NotFound, match="the API server has no Widget"):
        await cluster.list("tests.castle/v1", "Widget")
    server.kinds["widgets"] = kind
    assert await cluster.list("tests.castle/v1", "Widget") == []
    assert len([each for each in server.asked if each.path == "/apis"]) == 1


async def test_discovery_is_asked_once_for_many(server: Server, cluster: HttpCluster) -> None:
    await asyncio.gather(*(cluster.get(A) for _ in range(40)))
    assert len([each for each in server.asked if each.path in ("/api", "/apis")]) == 2


async def test_a_list_begins_again_when_its_continuation_is_too_old(server: Server, cluster: HttpCluster) -> None:
    for each in range(1200):
        server.put("configmaps", f"m{each:04d}")
    asked = 0

    def forgetful(request: Asked) -> Reply | None:
        nonlocal asked
        if "continue" in request.query:
            asked += 1
            if asked == 2:
                server.version += 1
                server.forget()
        return None

    server.script = forgetful
    found = await cluster.list("v1", "ConfigMap", "default")
    assert [each["metadata"]["name"] for each in found] == [f"m{each:04d}" for each in range(1200)]


async def test_a_list_whose_continuations_always_expire_comes_in_one_piece(
    server: Server, cluster: HttpCluster
) -> None:
    for each in range(600):
        server.put("configmaps", f"m{each:04d}")

    def forgetful(request: Asked) -> Reply | None:
        if "continue" in request.query:
            return failure(410, "too old", "Expired")
        return None

    server.script = forgetful
    assert len(await cluster.list("v1", "ConfigMap")) == 600


async def test_names_are_quoted(server: Server, cluster: HttpCluster) -> None:
    assert await cluster.get(Ref("v1", "ConfigMap", "../../secrets/x", "de/fault")) is None
    assert server.asked[-1].path == "/api/v1/namespaces/de%2Ffault/configmaps/..%2F..%2Fsecrets%2Fx"


async def test_what_apply_sends(server: Server, cluster: HttpCluster) -> None:
    await cluster.apply({**MANIFEST, "data": {"a": "x\x85ü"}}, dry_run=True, force=False)
    asked = server.asked[-1]
    assert asked.query == {"fieldManager": "castle", "fieldValidation": "Strict", "force": "false", "dryRun": "All"}
    assert asked.headers["content-type"] == "application/apply-patch+yaml"
    assert b'"x\\u0085\xc3\xbc"' in asked.body
    assert asked.headers["user-agent"] == "ephemeral-castle"


async def test_what_delete_sends(server: Server, cluster: HttpCluster) -> None:
    uid = server.put("configmaps", "a")["metadata"]["uid"]
    await cluster.delete(A, uid=uid, grace=0, foreground=True)
    asked = json.loads(server.asked[-1].body)
    assert asked["preconditions"] == {"uid": uid}
    assert asked["gracePeriodSeconds"] == 0
    assert asked["propagationPolicy"] == "Foreground"


async def test_a_manifest_without_a_kind_is_none(cluster: HttpCluster) -> None:
    with pytest.raises(Permanent, match="this is no manifest"):
        await cluster.apply({"metadata": {"name": "a"}})
    with pytest.raises(Permanent, match="it has no name"):
        await cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}})


async def test_keys_never_travel_in_clear() -> None:
    from ephemeral_castle.spi.kubernetes import ClusterAccess
    from ephemeral_castle.world.clock import SystemClock

    with pytest.raises(Permanent, match="cannot be an API server"):
        HttpCluster(ClusterAccess("http://127.0.0.1:8080", "x"), SystemClock())
    with pytest.raises(Permanent, match="CA is not known"):
        await HttpCluster(ClusterAccess("https://127.0.0.1:8080", ""), SystemClock()).version()

"""Objects on a real API server: written, read, refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from ephemeral_castle.errors import Conflict, Denied, NotFound, Permanent, Transient, Unreachable
from ephemeral_castle.manifests import ready
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.kubernetes import HttpCluster
from tests.kubernetes.control import Control, free_ports
from tests.kubernetes.objects import GROUP, config, custom, definition, namespace
from tests.papers import Authority

pytestmark = [pytest.mark.kubernetes, pytest.mark.evidence("real", "api-server")]

# Line ends of other alphabets, what YAML calls not printable, surrogate pairs, a tab, a quote.
STRANGE = "a\x85b\u2028c\u2029d\x7fe\x9ff\ufeffg\ufffeh\uffffi😀jäöüß漢字\t\"'\\/ \u00a0k"


async def test_version_and_readiness(cluster: HttpCluster) -> None:
    assert (await cluster.version()).startswith("v1.")
    assert await cluster.ready()
    assert cluster.server.startswith("https://127.0.0.1:")


async def test_all_kinds_are_known(cluster: HttpCluster) -> None:
    kinds = {(each.api, each.kind): each for each in await cluster._kinds.all()}
    assert kinds["apps/v1", "Deployment"].path("web", "data") == "/apis/apps/v1/namespaces/data/deployments/web"
    assert kinds["v1", "Namespace"].path("data") == "/api/v1/namespaces/data"
    assert "watch" in kinds["v1", "Pod"].verbs


async def test_text_that_yaml_would_fold_arrives_as_it_was(cluster: HttpCluster) -> None:
    wanted = config("strange", text=STRANGE)
    wanted["metadata"]["annotations"] = {"castle.test/note": STRANGE}
    for write in (cluster.apply, cluster.create):
        made = await write(wanted)
        assert made["data"] == {"text": STRANGE}
        seen = await cluster.get(Ref.of(wanted))
        assert seen is not None
        assert seen["metadata"]["annotations"]["castle.test/note"] == STRANGE
        await cluster.delete(Ref.of(wanted))


async def test_an_unknown_field_is_refused_with_its_path(cluster: HttpCluster) -> None:
    with pytest.raises(Permanent) as refused:
        await cluster.apply({**config("typo"), "dat": {"a": "b"}})
    assert ".dat" in refused.value.why
    assert refused.value.message == "applying ConfigMap default/typo was refused by the API server"
    assert await cluster.get(Ref.of(config("typo"))) is None


async def test_an_unknown_field_of_a_custom_kind_is_refused_with_its_path(cluster: HttpCluster) -> None:
    await cluster.apply(definition("Strict"))
    await cluster.until(_definition("Strict"), ready.judge, timeout=20)
    for write in (cluster.apply, cluster.create):
        with pytest.raises(Permanent, match="refused by the API server") as refused:
            await _soon(write, custom("Strict", "a", size=1, sise=2))
        assert "spec.sise" in refused.value.why


async def test_a_value_out_of_its_type_is_refused_in_the_servers_words(cluster: HttpCluster) -> None:
    broken = {**namespace("x"), "metadata": {"name": "Not A Name"}}
    with pytest.raises(Permanent) as refused:
        await cluster.create(broken)
    assert "RFC 1123" in refused.value.why


async def test_create_refuses_what_is_there(cluster: HttpCluster) -> None:
    await cluster.create(config("once"))
    with pytest.raises(Conflict, match="it exists already"):
        await cluster.create(config("once"))


async def test_a_field_of_another_manager_is_left_alone_without_force(cluster: HttpCluster) -> None:
    mine = config("shared", a="mine")
    await cluster._wire.call(
        "PATCH",
        "/api/v1/namespaces/default/configmaps/shared",
        doing="applying as another",
        query=(("fieldManager", "another"),),
        body=config("shared", a="theirs"),
        headers={"content-type": "application/apply-patch+yaml"},
    )
    with pytest.raises(Conflict, match="another manager owns a field") as refused:
        await cluster.apply(mine, force=False)
    assert "another" in refused.value.why
    assert (await cluster.apply(mine))["data"] == {"a": "mine"}
    managers = {each["manager"] for each in (await cluster.apply(mine))["metadata"]["managedFields"]}
    assert "castle" in managers


async def test_apply_takes_back_what_it_read(cluster: HttpCluster) -> None:
    made = await cluster.apply(config("round", a="1"))
    again = await cluster.apply({**made, "data": {"a": "2"}})
    assert again["data"] == {"a": "2"}
    assert "managedFields" in made["metadata"]  # what was given is not changed


async def test_a_dry_run_changes_nothing(cluster: HttpCluster) -> None:
    shown = await cluster.apply(config("dry", a="1"), dry_run=True)
    assert shown["data"] == {"a": "1"}
    assert await cluster.get(Ref.of(config("dry"))) is None


async def test_a_list_of_many_pages_is_whole(cluster: HttpCluster) -> None:
    await cluster.apply(namespace("many"))

    async def make(start: int) -> None:
        for each in range(start, 1200, 8):
            made = config(f"m{each:04d}", "many", x="y")
            made["metadata"]["labels"] = {"odd": str(each % 2)}
            await cluster.create(made)

    await asyncio.gather(*(make(start) for start in range(8)))
    found = await cluster.list("v1", "ConfigMap", "many")
    assert [each["metadata"]["name"] for each in found] == [f"m{each:04d}" for each in range(1200)]
    assert {(each["apiVersion"], each["kind"]) for each in found} == {("v1", "ConfigMap")}
    assert not any("managedFields" in each["metadata"] for each in found)
    assert len(await cluster.list("v1", "ConfigMap", "many", labels="odd=1")) == 600
    assert len(await cluster.list("v1", "ConfigMap")) >= 1200


async def test_an_object_of_a_mebibyte(cluster: HttpCluster) -> None:
    large = config("large", text="ä" * 500_000)
    await cluster.apply(large)
    seen = await cluster.get(Ref.of(large))
    assert seen is not None
    assert seen["data"] == large["data"]
    with pytest.raises(Permanent) as refused:
        await cluster.apply(config("larger", text="x" * 1_100_000))
    assert "more than 1048576 bytes" in refused.value.why


async def test_what_no_store_takes_is_not_tried_again_and_again(cluster: HttpCluster) -> None:
    with pytest.raises(Permanent) as refused:
        await asyncio.wait_for(cluster.apply(config("huge", text="x" * 4_000_000)), 5)
    assert "too large" in refused.value.why.lower()


async def test_delete_of_another_uid_is_refused(cluster: HttpCluster) -> None:
    made = await cluster.create(config("replaced"))
    ref = Ref.of(made)
    with pytest.raises(Conflict):
        await cluster.delete(ref, uid="00000000-0000-0000-0000-000000000000")
    await cluster.delete(ref, uid=made["metadata"]["uid"])
    await cluster.delete(ref)  # gone is no error
    await cluster.delete(Ref("nowhere.test/v1", "Nothing", "a", "default"))
    assert await cluster.get(ref) is None


async def test_foreground_deletion_waits_for_what_is_owned(cluster: HttpCluster) -> None:
    made = await cluster.create(config("owner"))
    await cluster.delete(Ref.of(made), foreground=True)
    seen = await cluster.get(Ref.of(made))
    assert seen is not None  # nobody collects garbage here
    assert seen["metadata"]["finalizers"] == ["foregroundDeletion"]
    await cluster.patch(Ref.of(made), {"metadata": {"finalizers": None}})
    assert await cluster.get(Ref.of(made)) is None


async def test_a_namespace_that_goes_takes_nothing_and_says_so(cluster: HttpCluster) -> None:
    await cluster.apply(namespace("going"))
    await cluster.delete(Ref("v1", "Namespace", "going"))
    with pytest.raises(Transient, match="the namespace is being deleted"):
        await cluster.create(config("late", "going"))
    seen = ready.judge(await cluster.get(Ref("v1", "Namespace", "going")))
    assert seen.stage == "waiting"
    assert "deleted" in seen.why


async def test_a_namespace_that_is_not_there_is_not_found(cluster: HttpCluster) -> None:
    with pytest.raises(NotFound) as refused:
        await cluster.apply(config("a", "nowhere"))
    assert 'namespaces "nowhere" not found' in refused.value.why


async def test_an_object_is_applied_while_its_kind_is_being_born(cluster: HttpCluster) -> None:
    wanted = custom("Newborn", "first", size=3)
    with pytest.raises(NotFound):
        await cluster.apply(wanted)
    await cluster.apply(definition("Newborn"))
    made = await _soon(cluster.apply, wanted)
    assert made["spec"] == {"size": 3}
    assert [each["metadata"]["name"] for each in await cluster.list(f"{GROUP}/v1", "Newborn")] == ["first"]


async def test_a_kind_that_was_removed_is_not_there(cluster: HttpCluster) -> None:
    await cluster.apply(definition("Passing"))
    wanted = custom("Passing", "a", size=1)
    await _soon(cluster.apply, wanted)
    await cluster.delete(_definition("Passing"))
    await cluster.until(_definition("Passing"), ready.absent, timeout=30)
    async with asyncio.timeout(30):
        while await cluster.get(Ref.of(wanted)) is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await cluster.delete(Ref.of(wanted))
    with pytest.raises(NotFound, match="has no Passing"):
        await cluster.list(f"{GROUP}/v1", "Passing")


async def test_status_is_written_by_its_own_door(cluster: HttpCluster) -> None:
    await cluster.apply(definition("Counted"))
    wanted = custom("Counted", "a", size=1)
    await _soon(cluster.apply, wanted)
    status = {"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1}]}
    seen = await cluster.patch(Ref.of(wanted), {"status": status}, subresource="status")
    assert ready.judge(seen).stage == "ready"
    seen = await cluster.patch(Ref.of(wanted), {"spec": {"size": 2}})
    assert ready.judge(seen).why.startswith("its status speaks of generation 1, and 2 is wanted")
    with pytest.raises(NotFound):
        await cluster.patch(Ref.of(custom("Counted", "b")), {"spec": {"size": 2}})


async def test_a_namespaced_kind_without_a_namespace_is_not_guessed(cluster: HttpCluster) -> None:
    nameless = config("a")
    del nameless["metadata"]["namespace"]
    with pytest.raises(Permanent, match="names no namespace"):
        await cluster.apply(nameless)
    with pytest.raises(Permanent, match="names no namespace"):
        await cluster.get(Ref.of(nameless))


async def test_somebody_without_rights_is_denied(control: Control) -> None:
    guest = HttpCluster(control.access("guest", "guests"), SystemClock())
    try:
        with pytest.raises(Denied, match="reading ConfigMap default/a is not allowed") as refused:
            await guest.get(Ref.of(config("a")))
        assert 'User "guest" cannot get resource' in refused.value.why
        with pytest.raises(Denied):
            await asyncio.wait_for(guest.until(Ref.of(config("a")), ready.exists, timeout=30), 5)
    finally:
        await guest.close()


async def test_a_token_that_is_not_known_is_denied_and_not_shown(control: Control) -> None:
    access = replace(control.access(), certificate="", key=None, token=Secret("tell-nobody"))
    stranger = HttpCluster(access, SystemClock())
    try:
        with pytest.raises(Denied, match="does not know us") as refused:
            await stranger.get(Ref.of(config("a")))
        assert "tell-nobody" not in str(refused.value.as_dict())
    finally:
        await stranger.close()


async def test_a_server_of_another_authority_is_not_believed(control: Control) -> None:
    other = HttpCluster(replace(control.access(), ca=Authority("another").pem), SystemClock())
    try:
        for ask in (other.version(), other.run("default", "a", ["true"])):
            with pytest.raises(Denied, match="not the one that is expected"):
                await ask
    finally:
        await other.close()


async def test_the_name_of_the_certificate_can_be_told(control: Control) -> None:
    for name, works in (("kubernetes", True), ("somebody.else", False)):
        named = HttpCluster(replace(control.access(), name=name), SystemClock())
        try:
            if works:
                assert await named.ready()
            else:
                with pytest.raises(Denied, match="not the one that is expected"):
                    await named.ready()
        finally:
            await named.close()


async def test_nobody_there(control: Control) -> None:
    (port,) = free_ports(1)
    nobody = HttpCluster(replace(control.access(), server=f"https://127.0.0.1:{port}"), SystemClock())
    try:
        assert not await nobody.ready()
        with pytest.raises(Unreachable, match="the API server does not answer") as silent:
            await nobody.get(Ref.of(config("a")))
        assert silent.value.state == ""
        with pytest.raises(Unreachable):
            await nobody.run("default", "a", ["true"])
    finally:
        await nobody.close()


async def test_an_unusable_certificate_says_so_without_the_key(control: Control) -> None:
    access = replace(control.access(), key=Secret("-----BEGIN PRIVATE KEY-----\ntell-nobody\n"))
    broken = HttpCluster(access, SystemClock())
    with pytest.raises(Permanent, match="certificates cannot be used") as refused:
        await broken.version()
    assert "tell-nobody" not in str(refused.value.as_dict())
    await broken.close()


@pytest.mark.parametrize("write", ["apply", "create"])
async def test_a_namespace_on_its_way_out_takes_nothing_and_is_worth_waiting_for(
    cluster: HttpCluster, write: str
) -> None:
    """It is held here for ever: nobody finishes its deletion."""
    space = f"leaving-{write}"
    await cluster.apply(namespace(space))
    await cluster.delete(Ref.of(namespace(space)))
    with pytest.raises(Transient, match="the namespace is being deleted") as late:
        await getattr(cluster, write)(config("late", space))
    assert "it is being deleted" in late.value.why
    assert late.value.patience > 60
    assert late.value.hints[-1] == "castle resume"


def _definition(kind: str) -> Ref:
    return Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{kind.lower()}s.{GROUP}")


async def _soon(write: Callable[[Manifest], Awaitable[Manifest]], manifest: Manifest) -> Manifest:
    """A kind that is being born is not found for a moment."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await write(manifest)
            except NotFound:
                await asyncio.sleep(0.05)

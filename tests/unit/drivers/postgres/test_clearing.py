"""A wipe in a cluster that stays touches what castle made and marked, and nothing beside it."""

from __future__ import annotations

from typing import Any

import pytest

from ephemeral_castle.drivers.postgres import doomed
from ephemeral_castle.drivers.postgres.clearing import Clear, Listing
from ephemeral_castle.drivers.postgres.desk import Desk
from ephemeral_castle.errors import Permanent
from ephemeral_castle.model.step import State
from ephemeral_castle.spi.kubernetes import Ref
from tests.unit.drivers.postgres.board import MARKS, ON_CLASS, Board, context, options, place


async def standing(board: Board, **home: str) -> Any:
    """A database with its pooler beside things of others; gives the context of the run that ends it."""
    for labels in ({}, {**MARKS, "castle.life": "1"}, {**MARKS, "castle.id": "another"}):
        name = f"other-{len(board.store)}"
        board.put({"apiVersion": "v1", "kind": "Secret", "metadata": {
            "name": name, "namespace": "data", "labels": labels}})  # fmt: skip
    where = place(board, options=options(**home))
    await where.start({"castle.conf": ""}, ["serve"])
    await where.start_pooler({"pgbouncer.ini": ""})
    board.calls.clear()
    ctx = context(board, options=options(**home))

    async def intent(what: str, **data: Any) -> None:
        ctx.said.append((what, data))

    ctx.intent = intent
    ctx.request.abandon_data = False
    ctx.diagnostic = lambda *told: ctx.said.append(told)
    return ctx


async def cleared(ctx: Any) -> None:
    seen = await Listing(ctx, Desk()).observe()
    assert seen.state is State.REACHED
    facts = {"database.inventory": seen.facts}
    ctx.facts = lambda step: facts.get(step, {})
    assert (await Clear(ctx, Desk()).observe()).state is State.NOT_REACHED
    await Clear(ctx, Desk()).act()
    assert (await Clear(ctx, Desk()).observe()).state is State.REACHED
    assert ctx.said[0][1]["inventory"] == seen.facts["inventory"]


async def test_all_of_it_goes_and_nothing_else() -> None:
    board = Board()
    await cleared(await standing(board, **ON_CLASS))
    assert {(ref.kind, ref.name) for ref in board.store} == {
        ("Namespace", "data"), ("Secret", "other-0"), ("Secret", "other-1"), ("Secret", "other-2"),
    }  # fmt: skip


async def test_a_folder_on_a_node_is_emptied_before_its_volume_goes() -> None:
    """A folder stays when its volume is deleted, with all the data in it."""
    board = Board()
    ctx = await standing(board)
    pods: list[Any] = []
    create = board.create

    async def seen(manifest: Any) -> Any:
        pods.append((manifest, board.names("PersistentVolume")))
        return await create(manifest)

    board.create = seen  # type: ignore[method-assign]
    await cleared(ctx)
    folders = ["castle-c0ffee00-2-database-data", "castle-c0ffee00-2-database-repo2"]
    for (pod, volumes), name in zip(pods, folders, strict=True):
        said = f"[ ! -e /pg/{name} ] || find /pg/{name} -xdev -mindepth 1 -delete"
        assert pod["spec"]["containers"][0]["command"] == ["sh", "-c", said]
        assert pod["spec"]["volumes"][0]["hostPath"]["path"] == "/var/lib/castle/volumes"
        assert len(volumes) == 2
    assert board.names("PersistentVolume") == board.names("PersistentVolumeClaim") == []


async def test_what_has_a_listed_name_by_now_and_is_another_stays() -> None:
    board = Board()
    ctx = await standing(board, **ON_CLASS)
    seen = await Listing(ctx, Desk()).observe()
    ctx.facts = lambda step: {"database.inventory": seen.facts}.get(step, {})
    board.one("Service", "database")["metadata"]["uid"] = "of another"
    await Clear(ctx, Desk()).act()
    assert board.names("Service") == ["database"]


async def test_what_came_after_the_listing_is_told() -> None:
    board = Board()
    ctx = await standing(board, **ON_CLASS)
    seen = await Listing(ctx, Desk()).observe()
    ctx.facts = lambda step: {"database.inventory": seen.facts}.get(step, {})
    await place(board, options=options(**ON_CLASS)).start_pooler({"pgbouncer.ini": "other"})
    assert (await Listing(ctx, Desk()).observe()).state is State.NOT_REACHED


async def test_the_second_wipe_was_refused_for_what_the_first_had_left() -> None:
    """The pod that empties folders has a Secret, which nobody had listed; the next life met it with another's mark."""
    board = Board()
    await cleared(await standing(board))
    assert [call for call in board.calls if call.startswith("apply Secret")] == []
    assert board.names("Secret") == ["other-0", "other-1", "other-2"]


async def test_a_folder_whose_claim_was_deleted_by_hand_was_called_destroyed_and_kept_all_data() -> None:
    board = Board()
    ctx = await standing(board)
    for name in ("database-data", "database-repo2"):
        del board.store[Ref("v1", "PersistentVolumeClaim", name, "data")]
    await cleared(ctx)
    assert len([call for call in board.calls if call.startswith("create Pod data/database-empty-")]) == 2


async def test_what_nobody_listed_is_not_destroyed() -> None:
    """`Destroyed` was said when the listed ones were gone, whatever else had the marks of that life."""
    board = Board()
    ctx = await standing(board, **ON_CLASS)
    seen = await Listing(ctx, Desk()).observe()
    ctx.facts = lambda step: {"database.inventory": seen.facts}.get(step, {})
    meta = {"name": "late", "namespace": "data", "labels": MARKS}
    board.put({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": {}})
    await Clear(ctx, Desk()).act()
    with pytest.raises(Permanent, match="something is there that was not listed") as caught:
        await Clear(ctx, Desk()).observe()
    assert "data/late" in caught.value.where


async def test_a_volume_that_its_class_keeps_is_told() -> None:
    board = Board()
    ctx = await standing(board, **ON_CLASS)
    spec = {"persistentVolumeReclaimPolicy": "Retain", "claimRef": {"namespace": "data", "name": "database-data"}}
    board.put({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pvc-1"}, "spec": spec})
    await cleared(ctx)
    assert "volume pvc-1 is kept by its class" in ctx.said[-1][1]


@pytest.mark.parametrize("there", [True, False])
async def test_the_wipe_of_a_lost_node_never_ended(there: bool) -> None:
    """Its pod waited for a kubelet that is gone, and its folder for a pod, on every resume, although given up."""
    board = Board()
    ctx = await standing(board)
    ctx.request.abandon_data = True
    board.ends = None  # no pod ends there
    if there:
        status = {"conditions": [{"type": "Ready", "status": "Unknown"}]}
        meta = {"name": "data", "labels": {"kubernetes.io/hostname": "data"}}
        board.put({"apiVersion": "v1", "kind": "Node", "metadata": meta, "status": status})
    graces: list[int | None] = []
    delete = board.delete

    async def seen(ref: Ref, *, uid: str = "", grace: int | None = None, foreground: bool = False) -> None:
        graces.extend([grace] if ref.kind == "Pod" else [])
        await delete(ref, uid=uid, grace=grace, foreground=foreground)

    board.delete = seen  # type: ignore[method-assign]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stuck", "namespace": "data", "labels": MARKS}}
    board.put(pod)
    await cleared(ctx)
    assert set(graces) == {0}
    told = [text for word, text in ctx.said[1:] if word == "warning"]
    assert len(told) == 2
    assert "on node data was not emptied" in told[0]
    assert board.names("PersistentVolume") == []


def test_what_a_dead_controller_holds_is_told_with_its_finalizer() -> None:
    """All that was said of an object that did not go was its name."""
    meta = {"name": "db", "namespace": "data", "uid": "u", "deletionTimestamp": "2026-01-01T00:00:00Z",
            "finalizers": ["dead.controller/hold"]}  # fmt: skip
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": meta}
    assert doomed.told([manifest]) == "still there: Secret data/db (it is being deleted, held by dead.controller/hold)"

"""A wipe in a cluster that stays touches what castle made and marked, and nothing beside it."""

from __future__ import annotations

from typing import Any

from ephemeral_castle.drivers.postgres.clearing import EMPTY, Clear, Listing
from ephemeral_castle.drivers.postgres.desk import Desk
from ephemeral_castle.model.step import State
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
    pod, volumes = pods[0]
    assert pod["spec"]["containers"][0]["command"] == ["sh", "-c", EMPTY]
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

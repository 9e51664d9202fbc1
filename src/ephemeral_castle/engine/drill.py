"""Castle's own steps of a drill: a room of its own, the proof in the record, and the room's end.

All else that a drill does, layers do, by the steps that bring a castle back after a total loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ephemeral_castle.errors import Permanent, Refused
from ephemeral_castle.model.castle import Layer
from ephemeral_castle.model.step import Effect, Observation, Phase, State, Step
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.driver import Context, Request

if TYPE_CHECKING:
    from ephemeral_castle.spi.room import Room

NAME = "castle"
MAKE, PROVEN, REMOVE = "room", "record-proof", "dissolve"
# What must hold before a drill counts; which of these a layer provides is its own affair.
STANDS = ("arrived:{}?", "open:{}?", "serving:{}?", "served:{}?")


def plan(layer: Layer, request: Request) -> Sequence[Step]:
    """The first step, which everything stands on; the proof; the last step, which takes all of it away."""
    stands = tuple(token.format(each.id) for each in request.site.layers for token in STANDS)
    return [
        Step(f"{layer.id}.{MAKE}", layer.id, NAME, MAKE, "a room of its own, beside the living castle", Phase.PREPARE,
             Effect.CONVERGE, provides=("room",), exact=True, deadline=300, undo=True, recheck=True, clock="destroy",
             weight=1),
        Step(f"{layer.id}.{PROVEN}", layer.id, NAME, PROVEN, "write the proof into the record", Phase.VERIFY,
             Effect.ONCE, needs=("served?", "machine:*", *stands), exact=True),
        Step(f"{layer.id}.{REMOVE}", layer.id, NAME, REMOVE, "remove all that the drill made", Phase.DISSOLVE,
             Effect.ONCE, exact=True, deadline=300, weight=1),
    ]  # fmt: skip


def room_of(ctx: Context) -> Room:
    """The room that this run's world was built with."""
    room = ctx.world.room
    if room is None:
        raise Permanent("this world has no room for a drill", why="only `castle drill` builds one")
    return room


async def observe(step: Step, ctx: Context) -> Observation:
    """Whether the room stands for this run, or nothing of it is left."""
    room = room_of(ctx)
    if step.action == REMOVE:
        left = await room.left()
        if left:
            return Observation(State.NOT_REACHED, f"there: {', '.join(left)}")
        return Observation(State.REACHED, "listed: nothing is left", {"left": []})
    maker = room.maker()
    if ctx.facts(step.id) and (maker != ctx.run or room.going()):
        other = f"drill {maker} took its place" if maker else "a later drill, or a person, removed it"
        raise Refused(
            "what this drill had made is gone",
            where=room.name,
            why="its removal had begun when its runner was killed" if maker == ctx.run else other,
            state="the living castle was not touched",
            hints=["castle drill"],
        )
    if maker == ctx.run and await room.stands():
        return Observation(State.REACHED, room.name, {"room": room.name})
    return Observation(State.NOT_REACHED, f"drill {maker} left its room" if maker else "not there")


async def act(step: Step, ctx: Context) -> Observation | None:
    """Makes the room, over what an earlier drill left; or removes it."""
    room = room_of(ctx)
    if step.action == REMOVE:
        await room.remove(marks.own(ctx))
        return None
    if room.maker() != ctx.run and await room.left():
        ctx.progress("removing what an earlier drill left")
        await room.remove(marks.own(ctx))
    await ctx.intent("create room", room=room.name)
    await room.make(ctx.run)
    return Observation(State.REACHED, room.name, {"room": room.name})


async def undo(ctx: Context) -> str:
    """Removes what this drill made, when it ends badly or is cancelled."""
    room = room_of(ctx)
    if room.maker() != ctx.run:
        return "nothing of this drill is here"
    await room.remove(marks.own(ctx))
    left = await room.left()
    if left:
        raise Permanent("the drill's castle is not gone", why=f"there still: {', '.join(left)}")
    return f"{room.name} removed; listed: nothing is left"

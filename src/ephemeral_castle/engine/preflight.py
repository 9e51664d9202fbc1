"""What a castle stands on, asked before anything is done: every system at once, each for a few seconds.

Most drivers look for themselves in the first phase of a run. `castle check` asks these looks without a run; a rebirth
asks besides what no step of a driver looks at: whether the treasury keeps its word, and drivers that only examine.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Sequence
from typing import Any

from ephemeral_castle.engine.context import Shared, StepContext
from ephemeral_castle.errors import CastleError, Conflict, Refused, Transient
from ephemeral_castle.model.castle import Layer
from ephemeral_castle.model.step import Effect, Observation, Phase, State, Step
from ephemeral_castle.spi.claims import Claim
from ephemeral_castle.spi.driver import Check, Context

PATIENCE = 5.0  # seconds for each system: one that hangs is a line, and no hang
MOST_SKEW = 300.0  # seconds; servers of S3 refuse signatures that are 15 minutes off, tokens and certificates sooner
FOLDER = ".castle-probe/"
FORGOTTEN = 3600.0  # seconds, after which a test object is one that a killed process left
TREASURY = "treasury"
UNSEEN = {"seen": False}  # `data` of a line that says nothing about what is there


def look_step(layer: Layer) -> Step:
    """The step by which a driver is asked outside of its plan."""
    return Step(f"{layer.id}.look", layer.id, layer.driver, "look", "look", Phase.PREPARE, Effect.READ)


async def in_time(title: str, section: str, asked: Awaitable[Sequence[Check]]) -> list[Check]:
    """The lines of one system; that it hangs, is silent or refuses is a line, too."""
    try:
        async with asyncio.timeout(PATIENCE):
            return list(await asked)
    except TimeoutError:
        return [Check(title, None, f"no answer within {PATIENCE:.0f} s", "", section, UNSEEN)]
    except CastleError as error:
        fact = f"{error.message}: {error.why}" if error.why else error.message
        mend = error.hints[0] if error.hints else ""
        if isinstance(error, Transient):
            return [Check(title, None, fact, mend, section, UNSEEN)]
        return [Check(title, False, fact, mend, section)]


async def examined(shared: Shared, layers: Sequence[Layer], wanted: Sequence[Claim]) -> list[Check]:
    """What the drivers of these layers say of the systems that they stand on; those that examine nothing say nothing.

    Args:
        shared: of a run, or of a look.
        layers: whose drivers are asked.
        wanted: what castle has to be allowed to do in the cluster.
    """

    async def one(layer: Layer) -> list[Check]:
        driver: Any = shared.drivers[layer.driver]
        asked = driver.doctor(StepContext(shared, look_step(layer), 1), wanted)
        return await in_time(f"layer {layer.id}", layer.id, asked)

    able = [layer for layer in layers if hasattr(shared.drivers[layer.driver], "doctor")]
    return [check for checks in await asyncio.gather(*map(one, able)) for check in checks]


async def first_looks(shared: Shared, steps: Sequence[Step]) -> list[Check]:
    """The looks with which a run would begin, without the run; drivers that examine are asked by `examined`."""
    mine = [step for step in steps if _looks(shared, step)]
    found = await asyncio.gather(*(in_time(step.title, step.layer, _seen(shared, step)) for step in mine))
    return [check for checks in found for check in checks]


def _looks(shared: Shared, step: Step) -> bool:
    reads = step.phase is Phase.PREPARE and step.effect is Effect.READ
    return reads and step.layer in shared.layers and not hasattr(shared.drivers[step.driver], "doctor")


async def _seen(shared: Shared, step: Step) -> list[Check]:
    seen: Observation = await shared.drivers[step.driver].observe(step, StepContext(shared, step, 1))
    return [] if seen.state is State.NOT_REACHED else [_check(step, seen)]  # then only the act of a run can tell


def _check(step: Step, seen: Observation) -> Check:
    match seen.state:
        case State.REACHED:
            return Check(step.title, True, seen.detail, "", step.layer)
        case State.FOREIGN:
            return Check(step.title, False, seen.detail, "", step.layer)
        case _:
            return Check(step.title, None, seen.detail or "it cannot be seen", "", step.layer, UNSEEN)


async def treasury(ctx: Context) -> list[Check]:
    """Whether the treasury answers, honours conditions and has the right time. Writes one test object, removes it."""
    return await in_time("the treasury answers", TREASURY, _treasury(ctx))


async def _treasury(ctx: Context) -> list[Check]:
    objects, key = ctx.world.objects, f"{FOLDER}{secrets.token_hex(8)}"
    first = await objects.create(key, b"1")
    try:
        kept = await _refused(objects.create(key, b"2"))
        if kept:
            await objects.swap(key, b"3", first)
            kept = await _refused(objects.swap(key, b"4", first))
        now, there = ctx.world.clock.now(), [stat async for stat in objects.list(FOLDER)]
    finally:
        await objects.delete(key)
    for left in (stat for stat in there if stat.modified and now - stat.modified > FORGOTTEN):
        await objects.delete(left.key)
    skew = [stat.modified - now for stat in there if stat.key == key and stat.modified]
    return [_conditions(kept=kept), *map(_clock, skew)]


async def _refused(write: Awaitable[str]) -> bool:
    try:
        await write
    except Conflict:
        return True
    return False


def _conditions(*, kept: bool) -> Check:
    title = "the treasury honours conditions"
    fact = "a second create and a stale write are refused" if kept else "two runners could both hold this castle"
    return Check(title, kept, fact, "" if kept else "castle doctor", TREASURY)


def _clock(skew: float) -> Check:
    """`skew`: seconds that the treasury's clock is ahead."""
    agree = abs(skew) <= MOST_SKEW
    fact = f"the treasury is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"
    return Check("clocks agree", agree, fact, "" if agree else "timedatectl set-ntp true", TREASURY)


async def observe(ctx: Context, shared: Shared) -> Observation:
    """The step of a rebirth: what no other step of it looks at.

    Raises:
        Refused: something would only fail when the old life is gone.
    """
    looking = {step.layer for step in shared.view.plan.steps if step.phase is Phase.PREPARE}
    silent = [layer for layer in shared.layers.values() if layer.id not in looking]
    found = await asyncio.gather(treasury(ctx), examined(shared, silent, ctx.claims()))
    checks = [check for some in found for check in some]
    for check in checks:
        if check.ok is None:
            ctx.diagnostic("warning", f"{check.title}: {check.fact}")
    wrong = [check for check in checks if check.ok is False]
    if wrong:
        raise Refused(
            "what the castle stands on would not carry another life",
            why="\n".join(f"{check.section}: {check.title}: {check.fact}" for check in wrong),
            state="nothing was destroyed",
            hints=[
                *dict.fromkeys(check.mend for check in wrong if check.mend),
                "castle check, which looks at all of it",
                "castle rebirth",
            ],
        )
    return Observation(State.REACHED, f"{len(checks)} looks, and nothing in the way")

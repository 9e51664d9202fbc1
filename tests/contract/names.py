"""What every driver of names must do, whatever its server: a suite that each runs against servers of its own.

A driver that is to keep to it (`rfc2136`, others to come) gives a `Bed`; `run` plays its steps as the engine does,
without an engine: observe, act, observe.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import pytest

from ephemeral_castle.errors import Refused, Transient
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.step import Observation, State, Step
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.kubernetes import Cluster
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.spi.world import Machine

CASTLE = "c0ffee00-0000-4000-8000-000000000001"
OTHER = "0badcafe-0000-4000-8000-000000000002"
OLD, NEW, NEWER = "10.0.0.16", "10.0.0.24", "10.0.0.32"
BY_LIFE = {1: OLD, 2: NEW, 3: NEWER}
BLOG = "blog.castle.example"
OWNER = f"_castle.{BLOG}"


def mark(castle: str, life: int) -> str:
    """The owner's TXT record."""
    return f'"castle={castle} life={life}"'


class Bed(Protocol):
    """A driver with a server under it that the suite may change as somebody else would."""

    driver: Any
    options: Any
    world: Any
    secrets: Mapping[str, str]

    async def put(self, name: str, type_: str, *values: str, ttl: int = 60) -> None:
        """Somebody writes into the zone; without values: removes."""
        ...

    async def get(self, name: str, type_: str) -> tuple[tuple[str, ...], int]:
        """Values and TTL as any resolver would get them from the server."""
        ...


class _Secrets:
    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = known

    async def get(self, name: str) -> Secret | None:
        return Secret(self.known[name]) if name in self.known else None

    async def put(self, name: str, value: Secret) -> None:
        raise AssertionError("a driver of names makes no secrets")


class Context:
    """A run of one castle: facts of its steps, and what was said."""

    def __init__(self, bed: Bed, verb: Verb, life: int, *, adopt: bool = False, castle: str = CASTLE) -> None:
        self.options, self.world = bed.options, bed.world
        self.secrets = _Secrets(bed.secrets)
        self.layer = Layer("name", Role.GATES, bed.driver.name, ("blog",), position="castle.yaml:1:1")
        self.site = Site("here", (self.layer,), "10.0.0.0/24")
        self.request = Request(verb, Castle("c", Treasury("b", "c"), {"here": self.site}), self.site, adopt=adopt)
        self.old_life = life - 1 if verb is Verb.REBIRTH else life
        self.life, self.run, self.attempt, self.started = life, "run-1", 1, 0.0
        self.passed_no_return = False
        self.record = Record(castle, "c", "age1toy", self.old_life)
        self.known: dict[str, Mapping[str, Any]] = {}
        self.said: list[str] = []

    def facts(self, step_id: str) -> Mapping[str, Any]:
        return self.known.get(step_id, {})

    def claims(self) -> list[Any]:
        return []

    def published(self, layer: str, fact: str) -> Any:
        return None

    def progress(self, text: str, *, done: float | None = None, total: float | None = None) -> None:
        self.said.append(text)

    async def intent(self, what: str, /, **data: Any) -> None:
        self.said.append(what)

    def decided(self, decision: str, reason: str, /, **inputs: Any) -> None:
        self.said.append(f"{decision}: {reason}")

    def diagnostic(self, severity: str, text: str) -> None:
        self.said.append(f"{severity}: {text}")

    async def cluster(self, *, old: bool = False) -> Cluster:
        raise AssertionError("a name needs no cluster")

    async def machine(self, name: str, *, old: bool = False) -> Machine:
        life = self.old_life if old else self.life
        return Machine(432, name, life, BY_LIFE[life], None)  # type: ignore[arg-type]


async def step(bed: Bed, ctx: Context, which: Step) -> Observation:
    """One step to its goal, as the engine would; a transient error is tried again."""
    for _ in range(5):
        try:
            seen: Observation = await bed.driver.observe(which, ctx)
            if seen.state is not State.REACHED:
                seen = await bed.driver.act(which, ctx) or await bed.driver.observe(which, ctx)
        except Transient as error:
            ctx.said.append(f"retry: {error.message}")
            continue
        assert seen.state is State.REACHED, seen
        ctx.known[which.id] = seen.facts
        return seen
    raise AssertionError(f"{which.id} does not reach its goal: {ctx.said}")


async def run(
    bed: Bed, verb: Verb, life: int, *, until: str = "", adopt: bool = False, castle: str = CASTLE
) -> Context:
    """All steps of a run in order, or those up to one. Fails as the first step fails."""
    ctx = Context(bed, verb, life, adopt=adopt, castle=castle)
    for each in steps(bed, ctx):
        await step(bed, ctx, each)
        if each.action == until:
            break
    return ctx


def steps(bed: Bed, ctx: Context) -> list[Step]:
    return list(bed.driver.plan(ctx.layer, bed.options, ctx.request))


def the(bed: Bed, ctx: Context, action: str) -> Step:
    return next(each for each in steps(bed, ctx) if each.action == action)


async def undo(bed: Bed, ctx: Context) -> list[str]:
    """Takes back what was begun, last step first."""
    begun = [each for each in steps(bed, ctx) if each.undo and each.id in ctx.known]
    return [await bed.driver.undo(each, ctx) for each in reversed(begun)]


async def refusal(bed: Bed, verb: Verb, life: int, **more: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await run(bed, verb, life, **more)
    return caught.value


# The suite. Each check gets a fresh bed: the zone is there, and holds no `blog`.


async def a_first_birth_creates_record_and_owner(bed: Bed) -> None:
    ctx = await run(bed, Verb.RAISE, 1)
    assert await bed.get(BLOG, "A") == ((OLD,), 60)
    assert (await bed.get(OWNER, "TXT"))[0] == (mark(CASTLE, 1),)
    facts = ctx.known["name.switch"]
    assert facts["names"] == {BLOG: OLD}
    # Whoever asked just before keeps "no such name" for a while.
    assert 0 < facts["stale_until"] - bed.world.clock.now() <= 6


async def what_is_right_is_left_alone(bed: Bed) -> None:
    await run(bed, Verb.RAISE, 1)
    ctx = Context(bed, Verb.RAISE, 1)
    await step(bed, ctx, the(bed, ctx, "look"))
    seen = await bed.driver.observe(the(bed, ctx, "switch"), ctx)
    assert seen.state is State.REACHED
    assert "stale_until" not in seen.facts


async def a_rebirth_lowers_the_ttl_and_then_switches(bed: Bed) -> None:
    await run(bed, Verb.RAISE, 1)
    ctx = await run(bed, Verb.REBIRTH, 2, until="lower-ttl")
    assert await bed.get(BLOG, "A") == ((OLD,), 5)
    lowered = ctx.known["name.lower-ttl"]["at"]
    for each in steps(bed, ctx)[2:]:
        await step(bed, ctx, each)
    assert await bed.get(BLOG, "A") == ((NEW,), 60)
    assert (await bed.get(OWNER, "TXT"))[0] == (mark(CASTLE, 2),)
    assert ctx.known["name.switch"]["stale_until"] == lowered + 60
    assert ctx.known["name.answer"]["verified"]


async def a_run_that_is_taken_back_leaves_the_name_as_it_was(bed: Bed) -> None:
    await run(bed, Verb.RAISE, 1)
    ctx = await run(bed, Verb.REBIRTH, 2, until="lower-ttl")
    assert await undo(bed, ctx) == [f"{BLOG} {OLD} for 60 s"]
    assert await bed.get(BLOG, "A") == ((OLD,), 60)
    assert await undo(bed, ctx) == ["the names are as they were"]


async def another_castles_name_is_refused(bed: Bed) -> None:
    await bed.put(BLOG, "A", "192.0.2.1")
    await bed.put(OWNER, "TXT", mark(OTHER, 4))
    for adopt in (False, True):
        error = await refusal(bed, Verb.RAISE, 1, adopt=adopt)
        assert OTHER in error.why
        assert "192.0.2.1" in error.why
        assert error.state == "nothing was changed"
    assert (await bed.get(BLOG, "A"))[0] == ("192.0.2.1",)


async def an_unmarked_name_is_taken_only_by_word(bed: Bed) -> None:
    await bed.put(BLOG, "A", "192.0.2.1", "192.0.2.2", ttl=300)
    await bed.put(BLOG, "AAAA", "2001:db8::1")
    error = await refusal(bed, Verb.RAISE, 1)
    assert "192.0.2.1 192.0.2.2 2001:db8::1" in error.why
    assert error.hints[-1].startswith("castle raise --adopt")
    ctx = await run(bed, Verb.RAISE, 1, adopt=True)
    assert await bed.get(BLOG, "A") == ((OLD,), 60)
    assert (await bed.get(BLOG, "AAAA"))[0] == ()
    assert any(text.startswith("adopt: ") for text in ctx.said)
    assert 299 <= ctx.known["name.switch"]["stale_until"] - bed.world.clock.now() <= 300


async def an_alias_in_the_way_is_refused(bed: Bed) -> None:
    await bed.put(BLOG, "CNAME", "elsewhere.example.")
    error = await refusal(bed, Verb.RAISE, 1, adopt=True)
    assert "elsewhere.example." in error.why
    assert (await bed.get(BLOG, "CNAME"))[0] == ("elsewhere.example.",)


async def a_mark_that_cannot_be_read_is_refused(bed: Bed) -> None:
    await bed.put(OWNER, "TXT", '"heritage=external-dns"')
    assert "heritage=external-dns" in (await refusal(bed, Verb.RAISE, 1, adopt=True)).why


async def two_marks_are_refused(bed: Bed) -> None:
    await bed.put(OWNER, "TXT", mark(CASTLE, 1), mark(OTHER, 1))
    await refusal(bed, Verb.RAISE, 1)


async def a_later_life_is_not_pushed_aside(bed: Bed) -> None:
    await run(bed, Verb.RAISE, 3)
    assert "life 3" in (await refusal(bed, Verb.RAISE, 1)).why
    assert (await bed.get(BLOG, "A"))[0] == (NEWER,)


async def a_name_that_became_anothers_during_the_run_is_not_switched(bed: Bed) -> None:
    await run(bed, Verb.RAISE, 1)
    ctx = await run(bed, Verb.REBIRTH, 2, until="lower-ttl")
    await bed.put(OWNER, "TXT", mark(OTHER, 1))
    with pytest.raises(Refused) as caught:
        await step(bed, ctx, the(bed, ctx, "switch"))
    assert OTHER in caught.value.why
    assert caught.value.state.startswith(f"the castle serves at {NEW}; only its names were not switched")
    assert (await bed.get(BLOG, "A"))[0] == (OLD,)


async def an_address_changed_by_hand_is_switched_and_said(bed: Bed) -> None:
    await run(bed, Verb.RAISE, 1)
    ctx = await run(bed, Verb.REBIRTH, 2, until="lower-ttl")
    await bed.put(BLOG, "A", "192.0.2.9")
    await step(bed, ctx, the(bed, ctx, "switch"))
    assert (await bed.get(BLOG, "A"))[0] == (NEW,)
    assert any("192.0.2.9" in text and text.startswith("warning") for text in ctx.said)


async def a_wildcard_is_nobodys_name(bed: Bed) -> None:
    await bed.put("*.castle.example", "A", "192.0.2.7")
    await run(bed, Verb.RAISE, 1)
    assert (await bed.get(BLOG, "A"))[0] == (OLD,)
    assert (await bed.get("x.castle.example", "A"))[0] == ("192.0.2.7",)


async def a_wipe_removes_only_what_is_ours(bed: Bed) -> None:
    await run(bed, Verb.RAISE, 1)
    await run(bed, Verb.WIPE, 1)
    assert (await bed.get(BLOG, "A"))[0] == ()
    assert (await bed.get(OWNER, "TXT"))[0] == ()
    await run(bed, Verb.WIPE, 1)  # nothing is there, and nothing is wrong
    await bed.put(BLOG, "A", "192.0.2.1")
    ctx = await run(bed, Verb.WIPE, 1)
    assert (await bed.get(BLOG, "A"))[0] == ("192.0.2.1",)
    assert any("left alone" in text for text in ctx.said)


async def a_rebirth_of_a_dead_castle_has_no_name_to_lower(bed: Bed) -> None:
    await run(bed, Verb.REBIRTH, 2)
    assert (await bed.get(BLOG, "A"))[0] == (NEW,)


async def a_missing_key_is_refused_with_where_to_put_it(bed: Bed) -> None:
    bed.secrets = {}
    error = await refusal(bed, Verb.RAISE, 1)
    assert "`dns/tsig` is missing" in error.message
    assert any("[secrets]" in hint for hint in error.hints)


async def a_wrong_key_is_refused_before_anything(bed: Bed) -> None:
    right = bed.secrets["dns/tsig"]
    algorithm, name, _ = right.split(":")
    for wrong in (f"{algorithm}:{name}:d3Jvbmc=", f"{algorithm}:nobody:d3Jvbmc="):
        bed.secrets = {"dns/tsig": wrong}
        error = await refusal(bed, Verb.RAISE, 1)
        assert error.state == "nothing was changed"
        assert "BADSIG" in error.why or "BADKEY" in error.why
        assert "d3Jvbmc" not in str(error.as_dict())


SUITE = [
    a_first_birth_creates_record_and_owner,
    what_is_right_is_left_alone,
    a_rebirth_lowers_the_ttl_and_then_switches,
    a_run_that_is_taken_back_leaves_the_name_as_it_was,
    another_castles_name_is_refused,
    an_unmarked_name_is_taken_only_by_word,
    an_alias_in_the_way_is_refused,
    a_mark_that_cannot_be_read_is_refused,
    two_marks_are_refused,
    a_later_life_is_not_pushed_aside,
    a_name_that_became_anothers_during_the_run_is_not_switched,
    an_address_changed_by_hand_is_switched_and_said,
    a_wildcard_is_nobodys_name,
    a_wipe_removes_only_what_is_ours,
    a_rebirth_of_a_dead_castle_has_no_name_to_lower,
    a_missing_key_is_refused_with_where_to_put_it,
    a_wrong_key_is_refused_before_anything,
]

"""The driver over servers in memory: those that are silent, disagree, lose answers, or are changed meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from ephemeral_castle.errors import Permanent, Refused, Unreachable
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Effect, Phase, State
from ephemeral_castle.spi.names import NameChange, NameSet
from ephemeral_castle.spi.world import Result
from ephemeral_castle.world.simulated_names import MemoryZone
from tests.contract import names
from tests.contract.names import BLOG, NEW, OLD, OWNER, Context, mark, run, step, the
from tests.contract.test_names import MemoryBed

PAGE = "192.0.2.99"


class Doors:
    """Processes: what `curl` says about the maintenance page."""

    def __init__(self) -> None:
        self.code = 0
        self.argv: list[list[str]] = []

    async def run(self, argv: Any, **_: Any) -> Result:
        self.argv.append(list(argv))
        return Result(self.code, "", "" if self.code == 0 else "curl: (7) Failed to connect")


class Bed(MemoryBed):
    """With a page, and a world that can start `curl`."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        inner, self.doors = self.world, Doors()
        self.world = type("World", (), {"exec": self.doors, "names": inner.names, "clock": inner.clock})()


def second(bed: MemoryBed) -> MemoryZone:
    """Another server of the zone, with the same."""
    zone = MemoryZone(bed.zone.zone, dict(bed.zone.sets), bed.zone.keys)
    bed.world.names.servers["ns2"] = zone
    return zone


async def test_a_rebirth_is_refused_while_the_server_is_silent() -> None:
    bed = MemoryBed()
    await run(bed, Verb.RAISE, 1)
    bed.zone.down = True
    error = await names.refusal(bed, Verb.REBIRTH, 2)
    assert "does not answer" in error.message
    assert error.state == "nothing was changed"
    assert bed.world.clock.monotonic() <= 6  # it is asked for some seconds, not for a minute


async def test_a_server_that_comes_back_soon_is_waited_for() -> None:
    bed = MemoryBed()
    bed.zone.down = True

    async def comes_back(seconds: float) -> None:
        bed.world.clock.advance(seconds)
        bed.zone.down = bed.world.clock.monotonic() < 2

    bed.world.clock.sleep = comes_back
    await run(bed, Verb.RAISE, 1, until="look")


async def test_a_castle_that_lies_down_is_raised_without_its_name_server() -> None:
    bed = MemoryBed()
    bed.zone.down = True
    ctx = await run(bed, Verb.RAISE, 1, until="look")
    assert any("its names may not follow" in text for text in ctx.said)
    bed.zone.down = False
    await step(bed, ctx, the(bed, ctx, "switch"))
    assert (await bed.get(BLOG, "A"))[0] == (OLD,)


async def test_a_server_that_is_silent_at_the_switch_ends_with_what_still_stands() -> None:
    bed = MemoryBed()
    await run(bed, Verb.RAISE, 1)
    ctx = await run(bed, Verb.REBIRTH, 2, until="lower-ttl")
    bed.zone.down = True
    begun = bed.world.clock.monotonic()
    with pytest.raises(Permanent) as caught:
        await bed.driver.observe(the(bed, ctx, "switch"), ctx)
    assert caught.value.state == (
        f"the castle serves at {NEW}; only its names were not switched ({BLOG} led to {OLD} when the run began)"
    )
    assert caught.value.hints[-1] == "castle resume"
    assert 50 < bed.world.clock.monotonic() - begun <= 60
    bed.zone.down = False
    await step(bed, ctx, the(bed, ctx, "switch"))
    assert (await bed.get(BLOG, "A"))[0] == (NEW,)


async def test_an_answer_that_got_lost_is_not_asked_for_twice() -> None:
    bed = MemoryBed()
    await run(bed, Verb.RAISE, 1)
    ctx = await run(bed, Verb.REBIRTH, 2, until="lower-ttl")

    async def lost(_: NameChange) -> None:
        bed.world.names.after = None
        raise Unreachable("the name server does not answer", why="it hung up")

    bed.world.names.after = lost
    before = len(bed.world.names.updates)
    seen = await step(bed, ctx, the(bed, ctx, "switch"))
    assert len(bed.world.names.updates) == before + 1
    assert seen.facts["stale_until"] > bed.world.clock.now()


async def test_a_name_that_changes_under_the_switch_is_looked_at_again() -> None:
    bed = MemoryBed()
    await run(bed, Verb.RAISE, 1)
    ctx = await run(bed, Verb.REBIRTH, 2, until="lower-ttl")

    async def steal(_: NameChange) -> None:
        bed.world.names.before = None
        await bed.put(OWNER, "TXT", mark(names.OTHER, 1))

    bed.world.names.before = steal
    with pytest.raises(Refused) as caught:
        await step(bed, ctx, the(bed, ctx, "switch"))
    assert names.OTHER in caught.value.why
    assert (await bed.get(BLOG, "A"))[0] == (OLD,)


async def test_a_key_that_was_taken_away_meanwhile_is_told_with_what_stands() -> None:
    bed = MemoryBed()
    await run(bed, Verb.RAISE, 1)
    ctx = await run(bed, Verb.REBIRTH, 2, until="lower-ttl")
    bed.zone.keys = {}
    with pytest.raises(Permanent) as caught:
        await bed.driver.act(the(bed, ctx, "switch"), ctx)
    assert "BADKEY" in caught.value.why
    assert caught.value.state.startswith(f"the castle serves at {NEW}")


async def test_after_a_kill_between_switch_and_journal_the_bound_is_told() -> None:
    bed = MemoryBed()
    await run(bed, Verb.RAISE, 1)
    ctx = await run(bed, Verb.REBIRTH, 2, until="lower-ttl")
    await bed.driver.act(the(bed, ctx, "switch"), ctx)
    bed.world.clock.advance(10)
    seen = await bed.driver.observe(the(bed, ctx, "switch"), ctx)
    assert seen.state is State.REACHED
    assert seen.facts["stale_until"] == bed.world.clock.now() + 60


async def test_servers_that_disagree_are_refused_before_anything() -> None:
    bed = MemoryBed(secondaries=["ns2"])
    await run(MemoryBed(), Verb.RAISE, 1)
    zone = second(bed)
    await run(bed, Verb.RAISE, 1, until="switch")
    error = await names.refusal(bed, Verb.REBIRTH, 2)
    assert error.message == f"the name servers of zone castle.example disagree about {BLOG}"
    assert "ns2 says no address" in error.why
    zone.sets = bed.zone.sets
    await run(bed, Verb.REBIRTH, 2, until="look")
    zone.down = True
    assert "does not answer" in (await names.refusal(bed, Verb.REBIRTH, 2)).message


async def test_a_secondary_that_stays_behind_is_named_at_the_end() -> None:
    bed = MemoryBed(secondaries=["ns2"])
    second(bed)
    ctx = await run(bed, Verb.RAISE, 1, until="switch")
    with pytest.raises(Permanent) as caught:
        await bed.driver.act(the(bed, ctx, "answer"), ctx)
    assert caught.value.why == f"ns2 gives no address for {BLOG}, not {OLD}"
    assert "the castle serves" in caught.value.state
    bed.world.names.servers["ns2"].sets = bed.zone.sets
    seen = await step(bed, ctx, the(bed, ctx, "answer"))
    assert seen.facts["verified"] == [f"{BLOG} → {OLD} by ns1, ns2"]


async def test_a_server_that_does_not_speak_for_the_zone_is_refused() -> None:
    bed = MemoryBed()
    bed.zone.sets["castle.example", "NS"] = NameSet("castle.example", "NS", ("ns1.castle.example.",), 60)
    bed.zone.zone = "example"
    error = await names.refusal(bed, Verb.RAISE, 1)
    assert error.message == "name server ns1 does not speak for zone castle.example"


async def test_a_name_in_a_delegated_zone_is_refused() -> None:
    bed = MemoryBed()
    bed.zone.put(NameSet(BLOG, "NS", ("ns.blog.example.",), 60))
    assert "lies in another zone" in (await names.refusal(bed, Verb.RAISE, 1)).why


async def test_the_page_is_shown_from_the_cut_to_the_switch() -> None:
    bed = Bed(maintenance=PAGE)
    await run(bed, Verb.RAISE, 1)
    ctx = await run(bed, Verb.REBIRTH, 2, until="maintenance")
    assert await bed.get(BLOG, "A") == ((PAGE,), 5)
    assert (await bed.get(OWNER, "TXT"))[0] == (mark(names.CASTLE, 1),)
    assert bed.doors.argv[-1][-1] == f"https://{PAGE}:443/"
    await step(bed, ctx, the(bed, ctx, "switch"))
    assert await bed.get(BLOG, "A") == ((NEW,), 60)
    assert not any(text.startswith("warning") for text in ctx.said)


async def test_undo_leads_from_the_page_back() -> None:
    bed = Bed(maintenance=PAGE)
    await run(bed, Verb.RAISE, 1)
    ctx = await run(bed, Verb.REBIRTH, 2, until="maintenance")
    await names.undo(bed, ctx)
    assert await bed.get(BLOG, "A") == ((OLD,), 60)


async def test_a_low_ttl_that_cannot_be_raised_is_a_warning_and_a_name_at_the_page_is_not() -> None:
    bed = Bed(maintenance=PAGE)
    await run(bed, Verb.RAISE, 1)
    ctx = await run(bed, Verb.REBIRTH, 2, until="maintenance")
    bed.zone.down = True
    with pytest.raises(Unreachable):
        await bed.driver.undo(the(bed, ctx, "maintenance"), ctx)
    assert "the TTL stays low" in await bed.driver.undo(the(bed, ctx, "lower-ttl"), ctx)
    bed.zone.down = False
    await run(bed, Verb.RAISE, 1)
    assert await bed.get(BLOG, "A") == ((OLD,), 60)


async def test_undo_leaves_alone_what_became_anothers() -> None:
    bed = Bed(maintenance=PAGE)
    await run(bed, Verb.RAISE, 1)
    ctx = await run(bed, Verb.REBIRTH, 2, until="maintenance")
    await bed.put(OWNER, "TXT", mark(names.OTHER, 1))
    await names.undo(bed, ctx)
    assert (await bed.get(BLOG, "A"))[0] == (PAGE,)


async def test_a_page_that_does_not_answer_is_refused_before_anything() -> None:
    bed = Bed(maintenance=PAGE)
    await run(bed, Verb.RAISE, 1)
    bed.doors.code = 7
    error = await names.refusal(bed, Verb.REBIRTH, 2)
    assert error.message == "the maintenance page does not answer"
    assert "Failed to connect" in error.why


async def test_a_page_that_died_meanwhile_costs_no_rebirth() -> None:
    bed = Bed(maintenance=PAGE)
    await run(bed, Verb.RAISE, 1)
    ctx = await run(bed, Verb.REBIRTH, 2, until="lower-ttl")
    bed.doors.code = 7
    await step(bed, ctx, the(bed, ctx, "maintenance"))
    assert (await bed.get(BLOG, "A"))[0] == (OLD,)
    assert any(text.startswith("warning: the maintenance page") for text in ctx.said)


async def test_castles_own_page_is_shown_and_ends_when_no_resolver_leads_there() -> None:
    bed = MemoryBed(maintenance="here", certificate="certificate")
    bed.secrets = {**bed.secrets, "certificate/certificate/chain": "CHAIN", "certificate/certificate/key": "KEY"}
    await run(bed, Verb.RAISE, 1)
    assert not bed.world.pages.shown
    ctx = await run(bed, Verb.REBIRTH, 2, until="maintenance")
    assert (await bed.get(BLOG, "A"))[0] == (bed.world.pages.address,)
    assert bed.world.pages.told == ("c", 30, "CHAIN")
    seen = await step(bed, ctx, the(bed, ctx, "switch"))
    assert (await bed.get(BLOG, "A"))[0] == (NEW,)
    assert bed.world.pages.ends == seen.facts["stale_until"]


async def test_castles_own_page_is_http_alone_until_there_is_a_certificate() -> None:
    bed = MemoryBed(maintenance="here", certificate="certificate")
    await run(bed, Verb.RAISE, 1)
    ctx = await run(bed, Verb.REBIRTH, 2, until="maintenance")
    assert bed.world.pages.told == ("c", 30, "")
    assert any("http alone" in text for text in ctx.said)


async def test_a_page_that_an_earlier_runner_left_over_is_ended() -> None:
    bed = MemoryBed(maintenance="here")
    await run(bed, Verb.RAISE, 1)
    ctx = await run(bed, Verb.REBIRTH, 2, until="maintenance")
    await bed.driver.act(the(bed, ctx, "switch"), ctx)
    bed.world.pages.ends = None
    seen = await step(bed, ctx, the(bed, ctx, "switch"))
    assert bed.world.pages.ends == seen.facts["stale_until"]


async def test_a_page_that_ends_by_itself_is_nothing_to_raise_for() -> None:
    """For a minute after each rebirth `castle raise` made a whole run, because the page was still up."""
    bed = MemoryBed(maintenance="here")
    await run(bed, Verb.RAISE, 1)
    ctx = await run(bed, Verb.REBIRTH, 2)
    assert bed.world.pages.ending
    assert await bed.driver.settled(ctx) == ""


async def test_a_page_that_nobody_told_to_end_is_ended_by_a_raise() -> None:
    bed = MemoryBed(maintenance="here")
    await run(bed, Verb.RAISE, 1)
    ctx = await run(bed, Verb.REBIRTH, 2)
    bed.world.pages.ends = None
    assert "the maintenance page is shown" in await bed.driver.settled(ctx)
    await run(bed, Verb.RAISE, 2)
    assert bed.world.pages.ending


async def test_undo_ends_castles_own_page_after_the_lowered_ttl() -> None:
    bed = MemoryBed(maintenance="here")
    await run(bed, Verb.RAISE, 1)
    ctx = await run(bed, Verb.REBIRTH, 2, until="maintenance")
    await names.undo(bed, ctx)
    assert await bed.get(BLOG, "A") == ((OLD,), 60)
    assert bed.world.pages.ends == bed.world.clock.now() + 5


async def test_a_page_that_cannot_be_shown_costs_no_rebirth() -> None:
    bed = MemoryBed(maintenance="here")
    await run(bed, Verb.RAISE, 1)
    bed.world.pages.fails = Permanent("the maintenance page cannot be shown", why="Address already in use")
    ctx = await run(bed, Verb.REBIRTH, 2, until="maintenance")
    assert (await bed.get(BLOG, "A"))[0] == (OLD,)
    assert any("Address already in use" in text for text in ctx.said)


async def test_status_tells_names_that_lead_elsewhere() -> None:
    bed = MemoryBed()
    ctx = await run(bed, Verb.RAISE, 1)
    assert await bed.driver.look(ctx) == {"alarms": [], "unseen": []}
    await bed.put(BLOG, "A", "192.0.2.9")
    found = await bed.driver.look(ctx)
    assert found["alarms"][0]["text"] == f"{BLOG} leads to 192.0.2.9, and life 1 is at {OLD}"
    await bed.put(OWNER, "TXT", mark(names.OTHER, 1))
    assert names.OTHER in (await bed.driver.look(ctx))["alarms"][0]["text"]
    bed.zone.down = True
    found = await bed.driver.look(ctx)
    assert found["alarms"] == []
    assert "does not answer" in found["unseen"][0]


async def test_two_records_are_switched_in_one_change() -> None:
    bed = MemoryBed()
    bed.options = bed.options.model_copy(update={"records": {"blog": "edge", "@": "edge"}})
    await run(bed, Verb.RAISE, 1)
    assert len(bed.world.names.updates) == 1
    assert (await bed.get("castle.example", "A"))[0] == (OLD,)
    assert (await bed.get("_castle.castle.example", "TXT"))[0] == (mark(names.CASTLE, 1),)


def test_nothing_is_switched_before_the_barrier() -> None:
    bed = Bed(maintenance=PAGE)
    for verb in Verb:
        ctx = Context(bed, verb, 2)
        for each in names.steps(bed, ctx):
            if each.action == "switch":
                assert (each.phase, each.effect, each.exact) == (Phase.OPEN, Effect.IRREVERSIBLE, False)
                assert "serving:blog?" in each.needs
                assert each.provides == ("named:name",)
            if each.phase in (Phase.PROVE, Phase.SEAL):
                assert each.undo, each.id
    assert names.steps(bed, Context(bed, Verb.BACKUP, 1)) == []

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from ephemeral_castle.errors import Busy, Damaged, Unreachable
from ephemeral_castle.journal.lease import Lease, LeaseBody, Owner
from tests.unit.journal.fakes import FakeClock, FakeObjects, Fault, Time, settle


def owner(name: str) -> Owner:
    return Owner(name, f"{name}-host", f"{name}-id", 7, f"run-{name}", "castle rebirth")


class Scene:
    """One bucket, two computers with clocks that agree on nothing but the length of a second."""

    def __init__(self) -> None:
        self.time = Time()
        self.a = FakeClock(self.time, monotonic_offset=5.0)
        self.b = FakeClock(self.time, monotonic_offset=9e6, wall_offset=1_600_000_000.0)
        self.objects = FakeObjects(FakeClock(self.time))

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.objects.stored["lease.json"][0])
        return found

    async def take(self, name: str = "a", **options: Any) -> Lease:
        return await Lease.acquire(self.objects, getattr(self, name), owner(name), **options)


async def test_the_first_holder_gets_fence_one_and_the_next_one_more() -> None:
    scene = Scene()
    lease = await scene.take("a")
    assert (lease.fence, scene.body["state"], scene.body["owner"]) == (1, "held", "a")
    await lease.release()
    assert scene.body["state"] == "free"
    assert (await scene.take("b")).fence == 2


async def test_a_held_lease_names_its_holder() -> None:
    scene = Scene()
    await scene.take("a")
    await scene.time.advance(12)
    with pytest.raises(Busy) as caught:
        await Lease.acquire(scene.objects, FakeClock(scene.time), owner("b"))
    assert caught.value.exit_code == 11
    for word in ("a on a-host", "process 7", "run run-a", "last heard 12 s ago", "fence 1"):
        assert word in caught.value.why
    assert "castle watch run-a" in caught.value.hints[-1]


async def test_silence_of_one_whole_lease_is_taken_over_and_the_stale_holder_stops_before() -> None:
    scene = Scene()
    stale = await scene.take("a")
    await scene.time.advance(10)
    taking = asyncio.create_task(scene.take("b", wait=True))
    await scene.time.advance(59.9)
    assert not taking.done(), "one whole lease since the first look, not since the last beat"
    with pytest.raises(Busy):
        stale.check()
    await scene.time.advance(0.2)
    assert (await taking).fence == 2
    with pytest.raises(Busy):
        await stale.beat()
    with pytest.raises(Busy) as caught:
        stale.check()
    assert "b on b-host" in caught.value.why
    assert stale.lost.is_set()


async def test_a_living_holder_is_not_taken_over_however_long_one_waits() -> None:
    scene = Scene()
    lease = await scene.take("a")
    beating = lease.start_heartbeat()
    taking = asyncio.create_task(scene.take("b", wait=True))
    await scene.time.advance(61)
    with pytest.raises(Busy):
        await taking
    await scene.time.advance(500)
    lease.check()
    assert lease.remaining > 15
    await lease.release()
    assert beating.done()


async def test_waiting_ends_early_when_the_holder_gives_up() -> None:
    scene = Scene()
    lease = await scene.take("a")
    seen: list[float] = []
    taking = asyncio.create_task(scene.take("b", wait=True, on_wait=lambda _, left: seen.append(left)))
    await scene.time.advance(1)
    await lease.release()
    await scene.time.advance(5)
    assert (await taking).fence == 2
    assert seen[0] == 60


async def test_a_runner_of_our_own_that_ended_is_retaken_at_once() -> None:
    scene = Scene()
    await scene.take("a")

    def mine(found: LeaseBody) -> bool:
        return found.computer == "a-id"

    assert (await scene.take("a", mine=mine)).fence == 2


async def test_trust_ends_at_two_thirds_of_the_lease_and_a_late_beat_brings_it_back() -> None:
    scene = Scene()
    lease = await scene.take("a")
    await scene.time.advance(39.9)
    lease.check()
    with pytest.raises(Busy):
        lease.check(lasting=5)
    await scene.time.advance(0.2)
    with pytest.raises(Busy) as caught:
        lease.check()
    assert "not sure" in caught.value.message
    await lease.beat()
    lease.check(lasting=30)


async def test_trust_counts_from_before_the_beat_was_sent() -> None:
    scene = Scene()
    scene.objects.before, scene.objects.after = 3.0, 7.0
    taking = asyncio.create_task(scene.take("a"))
    await scene.time.advance(20)
    lease = await taking
    assert lease.remaining == pytest.approx(40 - 10), "the first look took ten seconds, the write the ten after"


async def test_a_beat_renews_from_before_it_was_sent() -> None:
    scene = Scene()
    lease = await scene.take("a")
    scene.objects.before, scene.objects.after = 1.0, 12.0
    beating = asyncio.create_task(lease.beat())
    await scene.time.advance(13)
    await beating
    assert lease.remaining == pytest.approx(40 - 13)


async def test_a_suspended_computer_does_not_trust_its_stopped_clock() -> None:
    scene = Scene()
    lease = await scene.take("a")
    await scene.time.advance(300)
    scene.a.monotonic_offset -= 300
    with pytest.raises(Busy):
        lease.check()


async def test_heartbeats_go_through_an_outage_of_the_treasury() -> None:
    scene = Scene()
    lease = await scene.take("a")
    lease.start_heartbeat()
    await scene.time.advance(19)
    scene.objects.down = True
    await scene.time.advance(30)
    with pytest.raises(Busy) as caught:
        lease.check()
    assert "connection refused" in caught.value.why
    scene.objects.down = False
    await scene.time.advance(6)
    lease.check()
    await lease.release()


@pytest.mark.parametrize("fault", [Fault(answered=False), Fault(arrives=False), Fault(late=True)])
async def test_no_lost_answer_makes_a_holder_lose_its_lease(fault: Fault) -> None:
    scene = Scene()
    lease = await scene.take("a")
    scene.objects.faults.append(fault)
    if fault.answered:
        with pytest.raises(Unreachable):
            await lease.beat()
    else:
        await lease.beat()
    scene.objects.land()
    await scene.time.advance(1)
    await lease.beat()
    lease.check()
    assert lease.remaining == pytest.approx(40)
    await lease.release()
    assert scene.body["state"] == "free"


async def test_an_acquisition_whose_answer_was_lost_is_found_by_its_nonce() -> None:
    scene = Scene()
    scene.objects.faults.append(Fault(answered=False))
    assert (await scene.take("a")).fence == 1


async def test_release_wins_over_a_beat_that_was_cut_off() -> None:
    scene = Scene()
    lease = await scene.take("a")
    lease.start_heartbeat()
    scene.objects.after = 5.0
    await scene.time.advance(21)
    releasing = asyncio.create_task(lease.release())
    await scene.time.advance(60)
    await releasing
    assert scene.body["state"] == "free"


async def test_two_that_race_for_a_free_lease_never_both_get_it() -> None:
    scene = Scene()
    scene.objects.before = scene.objects.after = 1.0
    results = [asyncio.create_task(scene.take(name)) for name in ("a", "b")]
    await scene.time.advance(30)
    won = [task for task in results if task.exception() is None]
    assert len(won) == 1
    lost = next(task for task in results if task not in won)
    assert isinstance(lost.exception(), Busy)


async def test_every_version_is_different_so_that_an_old_condition_never_holds_again() -> None:
    scene = Scene()
    lease = await scene.take("a")
    for _ in range(20):
        await lease.beat()
    await lease.release()
    assert len(set(scene.objects.writes)) == len(scene.objects.writes) == 22
    nonces = {json.loads(body)["nonce"] for body in scene.objects.writes}
    assert len(nonces) == 22


async def test_a_deleted_lease_is_a_lost_lease() -> None:
    scene = Scene()
    lease = await scene.take("a")
    await scene.objects.delete("lease.json")
    with pytest.raises(Busy):
        await lease.beat()
    with pytest.raises(Busy):
        lease.check()
    await lease.release()
    assert not scene.objects.stored, "a lease that was lost is not written again"


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"state":"held","owner":"a","fence":1,"lease_s":0,"nonce":"n"}'])
async def test_an_object_that_is_no_lease_is_left_alone(text: bytes) -> None:
    scene = Scene()
    await scene.objects.put("lease.json", text)
    with pytest.raises(Damaged):
        await scene.take("a", wait=True)
    assert scene.objects.stored["lease.json"][0] == text


async def test_the_heartbeat_lives_in_a_task_group_and_ends_with_release() -> None:
    scene = Scene()
    lease = await scene.take("a")
    async with asyncio.TaskGroup() as group:
        lease.start_heartbeat(group)
        await scene.time.advance(100)
        await lease.release()
    await settle()
    assert scene.body["seq"] == 6, "five beats in 100 s, and the release"

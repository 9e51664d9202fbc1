"""Two computers, arbitrary interleavings, lost answers, late writes, stopped processes: never two hands."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Coroutine
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ephemeral_castle.errors import CastleError
from ephemeral_castle.journal.lease import Lease, Owner
from tests.unit.journal.fakes import FakeClock, FakeObjects, Fault, Time, settle

NAMES = ("a", "b")
SECONDS = st.sampled_from([0.1, 1, 5, 19, 21, 39, 41, 60, 61, 80, 130])
FAULTS = [Fault(), Fault(answered=False), Fault(arrives=False), Fault(late=True)]


class Computer:
    def __init__(self, name: str, time: Time, offset: float) -> None:
        self.clock = FakeClock(time, monotonic_offset=offset, wall_offset=offset * 17)
        self.owner = Owner(name, name, name, 1, f"run-{name}")
        self.trying: asyncio.Task[Lease] | None = None
        self.lease: Lease | None = None
        self.leaving: asyncio.Task[None] | None = None

    def collect(self) -> None:
        if self.trying is not None and self.trying.done():
            if self.trying.exception() is None:
                self.lease = self.trying.result()
                self.lease.start_heartbeat()
            else:
                assert isinstance(self.trying.exception(), CastleError)
            self.trying = None


class TwoOwners(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.time = Time()
        self.objects = FakeObjects(FakeClock(self.time))
        self.computers = {
            name: Computer(name, self.time, offset) for name, offset in zip(NAMES, (3.0, 1e6), strict=True)
        }
        self.sure: set[str] = set()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        async def work_and_collect() -> None:
            await work
            for computer in self.computers.values():
                computer.collect()

        self.loop.run_until_complete(work_and_collect())

    def teardown(self) -> None:
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(settle())
        self.loop.close()

    @rule(name=st.sampled_from(NAMES), wait=st.sampled_from([True, True, False]))
    def acquire(self, name: str, wait: bool) -> None:
        computer = self.computers[name]
        if computer.lease is None and computer.trying is None:
            work = Lease.acquire(self.objects, computer.clock, computer.owner, 60, wait=wait)
            computer.trying = self.loop.create_task(work)
            self.run(settle())

    @rule(seconds=SECONDS)
    def advance(self, seconds: float) -> None:
        # In slices, so that the invariant is looked at in between.
        for _ in range(max(1, int(seconds))):
            self.run(self.time.advance(min(seconds, 1.0)))
            self.never_two_hands()

    @rule(faults=st.lists(st.sampled_from(FAULTS), max_size=3))
    def answers_get_lost(self, faults: list[Fault]) -> None:
        self.objects.faults.extend(faults)

    @rule(before=st.sampled_from([0, 0.5, 4, 15]), after=st.sampled_from([0, 0.5, 4, 15]))
    def network_changes_its_pace(self, before: float, after: float) -> None:
        self.objects.before, self.objects.after = before, after

    @rule(seconds=SECONDS)
    def network_is_down(self, seconds: float) -> None:
        self.objects.down = True
        self.advance(seconds)
        self.objects.down = False

    @rule()
    def late_writes_arrive(self) -> None:
        self.objects.land()

    @rule(name=st.sampled_from(NAMES), seconds=SECONDS)
    def process_is_stopped(self, name: str, seconds: float) -> None:
        self.computers[name].clock.frozen = True
        self.advance(seconds)
        self.computers[name].clock.frozen = False
        self.advance(0)

    @rule(name=st.sampled_from(NAMES), seconds=SECONDS)
    def the_other_waits_while_one_is_stopped(self, name: str, seconds: float) -> None:
        self.acquire(name, wait=True)
        self.advance(1)
        self.computers[name].clock.frozen = True
        self.acquire("b" if name == "a" else "a", wait=True)
        self.advance(seconds)
        self.computers[name].clock.frozen = False
        self.advance(0)

    @precondition(lambda self: any(computer.lease for computer in self.computers.values()))
    @rule(name=st.sampled_from(NAMES))
    def release(self, name: str) -> None:
        computer = self.computers[name]
        if computer.lease is not None:

            async def give_back(lease: Lease) -> None:
                with contextlib.suppress(CastleError):
                    await lease.release()

            computer.leaving = self.loop.create_task(give_back(computer.lease))
            computer.lease = None
            self.run(settle())

    @rule(name=st.sampled_from(NAMES))
    def crash(self, name: str) -> None:
        computer = self.computers[name]
        for task in (computer.trying, computer.lease._beating if computer.lease else None):
            if task is not None:
                task.cancel()
        computer.trying = computer.lease = None
        computer.clock.frozen = False
        self.run(settle())

    @invariant()
    def never_two_hands(self) -> None:
        sure = [name for name, computer in self.computers.items() if computer.lease and computer.lease.remaining > 0]
        assert len(sure) <= 1, f"both hold the castle: {sure}"

    @invariant()
    def fences_never_go_back(self) -> None:
        fences = [json.loads(body)["fence"] for body in self.objects.writes]
        assert fences == sorted(fences)
        owners: dict[int, set[str]] = {}
        for body in self.objects.writes:
            read = json.loads(body)
            owners.setdefault(read["fence"], set()).add(read["owner"])
        assert all(len(names) == 1 for names in owners.values()), "one fence, two owners"


TwoOwners.TestCase.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
TestTwoOwners = TwoOwners.TestCase

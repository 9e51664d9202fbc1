"""The lease in the treasury: one runner per castle in the world.

One object, `lease.json`, written only under a condition (`If-None-Match: *` or `If-Match`) and never deleted:

* absent: create it with fence 1. Free: swap it with the next fence. Held: somebody works on the castle.
* The holder beats every third of the lease. No computer's clock is compared with another's: who wants to take over
  reads the ETag, waits one whole lease by its own clock and reads again; only silence is taken over.
* The holder trusts its lease for two thirds of it, counted from before its last good beat was sent. Afterwards
  `check` refuses, although the object still says "held": it stops before another can begin.
* Every body has a fresh nonce. An ETag may be the digest of the content, so equal bodies would let an old condition
  hold again; and a write whose answer was lost is settled by reading whose nonce stands there.

The outside world knows no fence: call `check` right before every act that cannot be taken back.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable

from ephemeral_castle.errors import Busy, CastleError
from ephemeral_castle.journal.leasefile import FREE, HELD, LeaseBody, LeaseFile, Owner, busy
from ephemeral_castle.spi.world import Clock, Objects

__all__ = ["Lease", "LeaseBody", "Owner"]

LEASE_SECONDS = 60.0
TRUST = 2 / 3
POLLS_PER_LEASE = 12
SHORTEST_WAIT = 0.01


def _nobody(_: LeaseBody) -> bool:
    return False


class Lease:
    """A lease that was acquired; made by `await Lease.acquire(...)`."""

    def __init__(self, file: LeaseFile, clock: Clock, body: LeaseBody, sent: tuple[float, float]) -> None:
        self._file = file
        self._clock = clock
        self._body = body
        self._renewed = sent
        self._taken_by: LeaseBody | None = None
        self._fault: CastleError | None = None
        self._beating: asyncio.Task[None] | None = None
        self.lost = asyncio.Event()

    @classmethod
    async def acquire(
        cls,
        objects: Objects,
        clock: Clock,
        owner: Owner,
        lease_s: float = LEASE_SECONDS,
        *,
        wait: bool = False,
        mine: Callable[[LeaseBody], bool] = _nobody,
        on_wait: Callable[[LeaseBody, float], None] | None = None,
    ) -> Lease:
        """Takes the lease.

        Args:
            objects: the castle's prefix in the treasury.
            clock: for waiting and for trusting.
            owner: who we are, for whoever finds it held.
            lease_s: seconds of silence after which others may take over.
            wait: when another holds it, watch it for one whole lease, and take over if it is silent (or gives up).
            mine: tells whether a held lease is an earlier life of ours that surely ended (same computer, whose local
                lock we hold now); it is then retaken at once.
            on_wait: called with the holder and the seconds left, while waiting.

        Raises:
            Busy: another holds it, or is alive after waiting.
            Damaged: the object is no lease.
            Unreachable, Denied, NotFound: as the treasury says; the lease may or may not have been taken.
        """
        file = LeaseFile(objects)
        silent, watched = "", False  # the nonce that stood unchanged for one whole lease
        while True:
            found = await file.read()
            if found is not None and found.state == HELD and found.nonce != silent and not mine(found):
                if not wait or watched:
                    raise busy(found, clock.now())
                watched = True
                silent = found.nonce if await _is_silent(file, clock, found, on_wait) else ""
                continue
            sent = (clock.monotonic(), clock.now())
            fence = found.fence + 1 if found is not None else 1
            taken = await file.write(owner.body(HELD, fence, lease_s, since=sent[1]))
            if taken is not None:
                return cls(file, clock, taken, sent)

    @property
    def fence(self) -> int:
        """Grows by one with every holder. Stamp it on what is created."""
        return self._body.fence

    @property
    def remaining(self) -> float:
        """Seconds for which the lease is surely ours; 0 when it is not.

        By the monotonic and by the wall clock, whichever went further: a suspended computer stops the former.
        """
        if self._taken_by is not None:
            return 0.0
        passed = max(self._clock.monotonic() - self._renewed[0], self._clock.now() - self._renewed[1])
        return max(0.0, self._body.lease_s * TRUST - passed)

    def check(self, lasting: float = 0.0) -> None:
        """Raises Busy unless the lease is surely ours, now and for `lasting` more seconds."""
        if self._taken_by is not None:
            raise busy(self._taken_by, self._clock.now())
        if self.remaining > lasting:
            return
        why = self._fault.message if self._fault else "no heartbeat came through in time"
        raise Busy(
            "not sure that this runner still holds the castle",
            where="lease.json",
            why=f"the lease was last renewed more than {self._body.lease_s * TRUST - lasting:.0f} s ago: {why}",
            state="another computer may take the castle over; nothing more was destroyed",
            hints=["castle doctor", "castle resume"],
        )

    def start_heartbeat(self, group: asyncio.TaskGroup | None = None) -> asyncio.Task[None]:
        """Beats from now on, in the task group or in a task of its own; `release` ends it. Sets `lost` when lost."""
        work = self._beat_on()
        task = asyncio.create_task(work, name="lease") if group is None else group.create_task(work, name="lease")
        self._beating = task
        return task

    async def beat(self) -> None:
        """Renews the lease once.

        Raises:
            Busy: another has taken it.
            Unreachable, Denied, NotFound: as the treasury says; the lease is trusted until its time is up.
        """
        if self._taken_by is not None:
            raise busy(self._taken_by, self._clock.now())
        sent = (self._clock.monotonic(), self._clock.now())
        body = dataclasses.replace(self._body, seq=self._body.seq + 1, beat_at=sent[1])
        written = await self._file.write(body)
        if written is None:
            await self._lose()
            return
        self._body, self._fault, self._renewed = written, None, sent

    async def release(self) -> None:
        """Ends the heartbeat and marks the lease free; the object stays. No error when it was lost.

        Raises:
            Unreachable, Denied: the treasury does not answer; the lease will run out by itself.
        """
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait({self._beating})
            self._beating = None
        if self._taken_by is None:
            free = dataclasses.replace(self._body, state=FREE, seq=self._body.seq + 1, beat_at=self._clock.now())
            await self._file.write(free)
            self._taken_by = free

    async def _beat_on(self) -> None:
        pause = self._body.lease_s / 3
        while True:
            await self._clock.sleep(pause)
            try:
                await self.beat()
                pause = self._body.lease_s / 3
            except Busy:
                return
            except CastleError as error:
                # Also after its time is up: as long as nobody took it, a late beat makes it ours again.
                self._fault = error
                pause = self._body.lease_s / POLLS_PER_LEASE

    async def _lose(self) -> None:
        found = await self._file.read()
        self._taken_by = found or dataclasses.replace(self._body, state=FREE, owner="nobody: the object was deleted")
        self.lost.set()
        raise busy(self._taken_by, self._clock.now())


async def _is_silent(
    file: LeaseFile, clock: Clock, found: LeaseBody, on_wait: Callable[[LeaseBody, float], None] | None
) -> bool:
    """Watches a held lease for one whole lease by our own clock; tells whether it never changed."""
    begun = clock.monotonic()
    while (left := found.lease_s - (clock.monotonic() - begun)) > 0:
        if on_wait is not None:
            on_wait(found, left)
        # Never so short that rounding swallows it; waiting longer is always safe here.
        await clock.sleep(max(SHORTEST_WAIT, min(left, found.lease_s / POLLS_PER_LEASE)))
        now = await file.read()
        if now is None or now.nonce != found.nonce:
            return False
    return True

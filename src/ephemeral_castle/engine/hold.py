"""Whether this runner may still act: the lease, asked right before every act that cannot be taken back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ephemeral_castle.errors import Busy, CastleError, Transient
from ephemeral_castle.journal.lease import Lease
from ephemeral_castle.spi.world import Clock

LOOK = 0.5  # seconds between looks while the lease is away

Take = Callable[[], Awaitable[Lease]]


async def _nothing() -> None:
    """Nobody held the castle between our two holdings, or nobody asks what was changed meanwhile."""


class Hold:
    """Keeps the lease for as long as a run lasts. Made by `await Hold.begin(...)`, ended by `await release()`.

    A lease that is lost stops nothing that runs: the next irreversible act waits until the castle is surely ours
    again. Only when another runner has it, waiting is over, and the act is refused.

    Attributes:
        changed: awaited after somebody else held the castle in between; raises when the world is not as we left it.
    """

    def __init__(self, take: Take, lease: Lease, clock: Clock) -> None:
        self._take = take
        self._lease = lease
        self._clock = clock
        self.changed: Callable[[], Awaitable[None]] = _nothing

    @classmethod
    async def begin(cls, take: Take, clock: Clock) -> Hold:
        """Takes the lease and begins to beat; raises like `Lease.acquire`."""
        lease = await take()
        lease.start_heartbeat()
        return cls(take, lease, clock)

    @property
    def fence(self) -> int:
        """Number of this holding."""
        return self._lease.fence

    @property
    def ours(self) -> bool:
        """Whether the castle is surely ours now."""
        return self._lease.remaining > 0

    async def secure(self, wait: Callable[[CastleError], None]) -> bool:
        """Returns once the castle is surely ours; tells whether that took a pause.

        Args:
            wait: called with the reason ahead of every further wait; what it raises ends the waiting.

        Raises:
            Busy: another runner has the castle, or has changed it meanwhile.
            Denied, NotFound: as the treasury says.
        """
        paused = False
        while not self.ours:
            paused = True
            reason = await self._again() if self._lease.lost.is_set() else self._doubt()
            if reason is not None:
                wait(reason)
                await self._clock.sleep(LOOK)
        return paused

    async def taken(self) -> CastleError | None:
        """Why nothing may be taken back either: another runner has the castle. None while nobody else has it.

        A treasury that does not answer is no reason: whoever is fenced out must not wait for it.
        """
        if not self._lease.lost.is_set():
            return None
        try:
            return await self._again()
        except CastleError as error:
            return error

    async def release(self) -> None:
        """Gives the castle up. A treasury that does not answer is no error: the lease runs out by itself."""
        try:
            await self._lease.release()
        except CastleError:
            return

    def _doubt(self) -> CastleError | None:
        """Nobody took it as far as we know; the heartbeat goes on and a late beat makes it ours again."""
        try:
            self._lease.check()
        except Busy as error:
            return error
        return None

    async def _again(self) -> CastleError | None:
        """Takes the lease anew after somebody else had written it; gives why that has to wait."""
        try:
            lease = await self._take()
        except Transient as error:
            return error
        except Busy as error:
            error.state = "this runner paused before an irreversible act and does nothing more; " + error.state
            raise
        await self._lease.release()
        self._lease = lease
        lease.start_heartbeat()
        await self.changed()
        return None


class Unleased(Hold):
    """A drill's: it works beside the castle, whoever holds that, and so neither takes nor needs the lease."""

    def __init__(self) -> None:
        self.changed = _nothing

    @property
    def fence(self) -> int:
        """No holding, no number."""
        return 0

    @property
    def ours(self) -> bool:
        """What a drill acts on is its own."""
        return True

    async def secure(self, wait: Callable[[CastleError], None]) -> bool:
        """At once."""
        del wait
        return False

    async def taken(self) -> CastleError | None:
        """By nobody."""
        return None

    async def release(self) -> None:
        """Nothing to give up."""

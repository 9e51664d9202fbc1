"""The object `lease.json`: its body, and writing it so that every outcome is known."""

from __future__ import annotations

import dataclasses
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ephemeral_castle.errors import Busy, Conflict, Damaged, Transient
from ephemeral_castle.spi.world import Objects

KEY = "lease.json"
HELD, FREE = "held", "free"
TRIES = 5


@dataclass(frozen=True)
class LeaseBody:
    """What stands in the object.

    Attributes:
        state: "held" or "free".
        owner, host, computer, pid, run, command: who took it; `computer` is the machine id. For people, and for
            recognising a runner of our own that ended.
        fence: number of this holding; every holder's is higher than all before.
        lease_s: seconds of silence after which others may take over.
        incarnation: the castle's life that the run works on.
        seq: counts the beats of this holding.
        since, beat_at: Unix seconds by the holder's clock: for messages, never for a decision.
        nonce: fresh in every version.
    """

    state: str
    owner: str
    fence: int
    lease_s: float
    host: str = ""
    computer: str = ""
    pid: int = 0
    run: str = ""
    command: str = ""
    incarnation: int = 0
    seq: int = 0
    since: float = 0.0
    beat_at: float = 0.0
    nonce: str = ""

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> LeaseBody:
        """Reads a stored body; unknown keys are ignored. Raises ValueError or TypeError for anything else."""
        known = {f.name for f in dataclasses.fields(cls)}
        body = cls(**{key: value for key, value in data.items() if key in known})
        if body.state not in {HELD, FREE} or not body.nonce or int(body.fence) < 1 or float(body.lease_s) <= 0:
            raise ValueError("state, fence, lease_s or nonce is missing or wrong")
        return body


@dataclass(frozen=True)
class Owner:
    """Who takes a lease; see LeaseBody for the meaning of the fields."""

    name: str
    host: str
    computer: str
    pid: int
    run: str
    command: str = ""
    incarnation: int = 0

    def body(self, state: str, fence: int, lease_s: float, since: float) -> LeaseBody:
        """A body for this owner, without nonce."""
        return LeaseBody(
            state=state,
            owner=self.name,
            fence=fence,
            lease_s=lease_s,
            host=self.host,
            computer=self.computer,
            pid=self.pid,
            run=self.run,
            command=self.command,
            incarnation=self.incarnation,
            since=since,
            beat_at=since,
        )


class LeaseFile:
    """Reads and writes the object under the condition that nobody changed it since we last saw it."""

    def __init__(self, objects: Objects, nonce: Callable[[], str] = lambda: secrets.token_hex(16)) -> None:
        self._objects = objects
        self._nonce = nonce
        self._etag: str | None = None
        # Nonces of ours that may stand in the object: the last confirmed one, and those whose answer was lost since.
        self._ours: set[str] = set()

    async def read(self) -> LeaseBody | None:
        """What stands there now, None when nothing does. The next `write` holds only if it still stands then."""
        got = await self._objects.get(KEY)
        if got is None:
            self._etag = None
            return None
        try:
            body = LeaseBody.from_json(json.loads(got[0]))
        except (ValueError, TypeError, AttributeError) as error:
            raise Damaged(
                "the castle's lease cannot be read",
                where=KEY,
                why=str(error),
                state="it was not touched",
                hints=["make sure that no run is going on anywhere, then remove the object from the bucket"],
            ) from error
        self._etag = got[1]
        return body

    async def write(self, body: LeaseBody) -> LeaseBody | None:
        """Writes `body` with a fresh nonce; gives it as stored, or None when somebody else has written.

        Raises:
            Transient: it is not there now and may still arrive; writing again is safe.
            Denied, NotFound: as the treasury says.
        """
        for _ in range(TRIES):
            new = dataclasses.replace(body, nonce=self._nonce())
            self._ours.add(new.nonce)
            try:
                etag = await self._send(json.dumps(dataclasses.asdict(new), sort_keys=True).encode())
            except (Conflict, Transient) as error:
                if await self._stands(new.nonce):
                    return self._confirmed(new)
                if isinstance(error, Transient):
                    raise
                if not await self._stands(*self._ours):
                    return None
                continue  # an earlier beat of ours arrived late: go on from that one
            self._etag = etag
            return self._confirmed(new)
        raise Transient(
            "the treasury refuses to change the castle's lease",
            where=KEY,
            why=f"{TRIES} conditional writes failed although nobody else has written",
            hints=["castle doctor"],
        )

    async def _send(self, body: bytes) -> str:
        if self._etag is None:
            return await self._objects.create(KEY, body)
        return await self._objects.swap(KEY, body, self._etag)

    async def _stands(self, *nonces: str) -> bool:
        """Whether one of these versions is there; if so, the next write goes on from it."""
        before = self._etag
        found = await self.read()
        if found is not None and found.nonce in nonces:
            return True
        self._etag = before
        return False

    def _confirmed(self, body: LeaseBody) -> LeaseBody:
        self._ours = {body.nonce}
        return body


def busy(found: LeaseBody, now: float) -> Busy:
    """The error that names who holds the castle. `now`: Unix seconds."""
    if found.state == FREE:
        return Busy(
            "this runner has given the castle up",
            where=KEY,
            why=f"the lease with fence {found.fence} is free ({found.owner})",
            state="nothing more was changed",
            hints=["castle resume"],
        )
    since = f"{datetime.fromtimestamp(found.since, UTC):%Y-%m-%d %H:%M:%S} UTC"
    age = max(0.0, now - found.beat_at)
    where = f"{found.owner} on {found.host or 'an unknown computer'}"
    return Busy(
        "another runner holds this castle",
        where=KEY,
        why=f"{where}, process {found.pid}, run {found.run or 'unknown'}, since {since}; "
        f"last heard {age:.0f} s ago by its own clock (fence {found.fence})",
        state="nothing was changed by us",
        hints=[
            f"if that computer is gone for good: --source-lost waits {found.lease_s:.0f} s, then takes over",
            f"on {found.host or 'that computer'}: castle watch {found.run}".rstrip(),
        ],
    )

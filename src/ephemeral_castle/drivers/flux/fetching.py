"""What the cluster's GitRepository says of itself: whether it has the wanted commit, and whether it ever will. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ephemeral_castle.drivers.flux.units import sha_of, short
from ephemeral_castle.spi.kubernetes import Change, Manifest, Ref

PATIENCE = 60.0  # seconds for one failure: name service and network of a young cluster may not be there yet
HARD = 15.0  # for one that only a person mends
FIRST, MOST = 2.0, 15.0  # pause before it is asked to try again, doubled each time
MENDED_BY_HAND = ("AuthenticationFailed", "URLInvalid", "InvalidSTSConfiguration", "VerificationError")


@dataclass
class Fetching:
    """The GitRepository, as last seen.

    Attributes:
        ref: which one.
        sha: the wanted commit.
        says: its last words, for people.
        done: whether it has the wanted commit.
    """

    ref: Ref
    sha: str
    says: str = ""
    done: bool = False
    _reason: str = ""
    _since: float = 0.0
    _asked: float = 0.0
    _times: int = 0
    _told: str = ""
    _wrong: bool = False
    _sign: tuple[str, ...] = ()
    _heard: float = 0.0

    @property
    def still(self) -> float:
        """Since when nothing is heard of a spec that its controller has not taken note of; 0 while it has."""
        return self._heard if not self.done and not self._reason else 0.0

    def anew(self, now: float) -> None:
        """Another controller has taken over."""
        self._heard = now

    def take(self, change: Change, now: float) -> None:
        """Takes note of a change; of another GitRepository it does not."""
        if Ref.of(change.object) != self.ref:
            return
        self.done, self._wrong = False, False
        if change.type == "DELETED":
            self._failed("Deleted", "somebody deleted it", now)
            return
        self._read(change.object, now)

    def _read(self, live: Manifest, now: float) -> None:
        meta, status = live["metadata"], live.get("status") or {}
        sign = (str(meta.get("generation")), str(status))
        if sign != self._sign:
            self._sign, self._heard = sign, now
        conditions = {each["type"]: each for each in status.get("conditions") or ()}
        ready = conditions.get("Ready") or {}
        revision = (status.get("artifact") or {}).get("revision", "")
        current = (ready.get("observedGeneration") or status.get("observedGeneration")) == meta.get("generation")
        if not current or not ready:
            self._failed("", f"{self.ref}: not fetched yet", now)
        elif ready.get("status") == "True":
            self._fetched(revision, now)
        elif ready.get("status") == "False":
            stalled = (conditions.get("Stalled") or {}).get("status") == "True"
            reason = "URLInvalid" if stalled else str(ready.get("reason", ""))
            self._failed(reason, f"{ready.get('reason', '')}: {short(str(ready.get('message', '')))}", now)
        else:
            self._failed("", f"{self.ref}: {short(str(ready.get('message', '')))}", now)

    def _fetched(self, revision: str, now: float) -> None:
        if sha_of(revision) == self.sha:
            self.done, self.says, self._reason = True, f"{self.ref}: {revision}", ""
        else:
            text = f"it has {revision or 'no revision'}, and commit {self.sha[:12]} is wanted"
            self._failed("WrongRevision", text, now)
            self._wrong = True

    def _failed(self, reason: str, says: str, now: float) -> None:
        """`reason`: "" while it tries; a failure lasts until it has fetched, or fails in another way."""
        if reason and reason != self._reason:
            self._reason, self._since = reason, now
        self.says = says

    def news(self) -> bool:
        """Whether it says something that was not told yet."""
        new = self.says != self._told
        self._told = self.says
        return new and bool(self.says)

    def due(self, now: float) -> bool:
        """Whether it is to be asked to try again: by itself it waits longer and longer."""
        pause = min(MOST, FIRST * 2 ** min(self._times, 10))
        return bool(self._reason) and not self.done and now - max(self._since, self._asked) >= pause

    def asked(self, now: float) -> None:
        """It was asked."""
        self._asked, self._times = now, self._times + 1

    def hopeless(self, now: float) -> bool:
        """Whether the same failure lasts for too long."""
        if not self._reason or self.done:
            return False
        hard = self._wrong or self._reason in MENDED_BY_HAND
        return now - self._since >= (HARD if hard else PATIENCE)

"""What stands of the old treasure, and whether it must be sealed before anything is destroyed.

Observed per treasure, never assumed: what cannot be seen counts as unknown, and unknown is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ephemeral_castle.errors import Refused


class Listing(StrEnum):
    """Result of looking for something by listing."""

    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"  # the listing failed


class Presence(StrEnum):
    """The old treasure."""

    NEVER = "never"  # no life before this one
    SEALABLE = "present and sealable"
    UNSEALABLE = "present but unsealable"
    ABSENT = "proven absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class OldTreasure:
    """What was observed of the former life. None: it was not or could not be tried.

    Attributes:
        lived: the record knows a life of it.
        same_place: the listings were made where the record says that the life stood (this computer, that provider).
        host_answered: the place itself answered.
        machines, volume: listings of its machines and of the volume with its data.
        server_starts: its PostgreSQL runs or could be started just far enough to seal.
        archive_works: a segment reached the treasury.
        ours: what was found carries this castle's mark and lineage.
        obstacle: why it does not start or archive, in words.
        away: where it stands instead, in words.
    """

    lived: bool
    same_place: bool | None = None
    host_answered: bool | None = None
    machines: Listing = Listing.UNKNOWN
    volume: Listing = Listing.UNKNOWN
    server_starts: bool | None = None
    archive_works: bool | None = None
    ours: bool | None = None
    obstacle: str = ""
    away: str = ""


@dataclass(frozen=True)
class Seal:
    """Seal it. `notes`: flags that were given and not needed."""

    reason: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class NoSeal:
    """Nothing to seal; the reason and the measured loss belong in the report. `loss`: whether data may be lost."""

    presence: Presence
    reason: str
    loss: bool


@dataclass(frozen=True)
class RefuseSeal:
    """Neither sealed nor given up: nothing may be destroyed."""

    presence: Presence
    message: str
    cause: str
    hints: tuple[str, ...]

    def error(self, where: str = "") -> Refused:
        """The error to raise (exit code 9)."""
        return Refused(self.message, where=where, why=self.cause, state="nothing was changed", hints=self.hints)


SealDecision = Seal | NoSeal | RefuseSeal
"""See `decide_seal`."""


def classify_presence(old: OldTreasure) -> tuple[Presence, str]:
    """What stands, and why it is judged so. Total: every combination has an answer."""
    if not old.lived:
        return Presence.NEVER, "no life of this treasure was recorded"
    # What is listed in another place may be an older life of the same castle: sealing it would not seal the newest.
    if old.same_place is not True:
        if old.away:
            return Presence.UNKNOWN, f"{old.away}: looking here proves nothing"
        where = "another place" if old.same_place is False else "a place that is not known"
        return Presence.UNKNOWN, f"the record says that it stood in {where}: looking here proves nothing"
    if Listing.PRESENT in {old.machines, old.volume}:
        return _present(old)
    if old.host_answered is not True:
        return Presence.UNKNOWN, "the place where it stood does not answer"
    if old.machines is Listing.ABSENT and old.volume is Listing.ABSENT:
        return Presence.ABSENT, "neither its machines nor its volume are listed where it stood"
    failed = " and ".join(n for n, x in (("machines", old.machines), ("volume", old.volume)) if x is Listing.UNKNOWN)
    return Presence.UNKNOWN, f"the listing of its {failed} failed"


def _present(old: OldTreasure) -> tuple[Presence, str]:
    if old.volume is Listing.ABSENT and old.server_starts is not True:
        # Machines without their data: nothing is left that could be sealed, but the place must be sure of it.
        if old.host_answered is True:
            return Presence.ABSENT, "its machines are there, the volume with its data is not"
        return Presence.UNKNOWN, "its volume was not found, but the place did not answer reliably"
    if old.ours is False:
        return Presence.UNSEALABLE, old.obstacle or "what stands there does not carry this castle's mark and lineage"
    if old.ours is None:
        return Presence.UNKNOWN, old.obstacle or "whose data stands there could not be seen"
    if old.server_starts is False:
        return Presence.UNSEALABLE, old.obstacle or "its server does not start"
    if old.server_starts is None:
        return Presence.UNKNOWN, old.obstacle or "whether its server starts could not be seen"
    if old.archive_works is not True:
        return Presence.UNSEALABLE, old.obstacle or "nothing it writes reaches the treasury"
    return Presence.SEALABLE, "it stands, runs and archives"


def decide_seal(
    old: OldTreasure, *, source_lost: bool = False, abandon_data: bool = False, verb: str = "rebirth"
) -> SealDecision:
    """Whether the old treasure is sealed, need not be, or forbids the run.

    Each flag opens one door only: `source_lost` what cannot be seen, `abandon_data` what cannot be sealed.

    Args:
        old: what was observed.
        source_lost: `--source-lost`: a person says that the old life is gone for good.
        abandon_data: `--abandon-data`: a person gives up what was written since the last archived change.
        verb: what was asked, for the hints: a backup is never answered with a word that destroys.
    """
    presence, why = classify_presence(old)
    given = [flag for flag, on in (("--source-lost", source_lost), ("--abandon-data", abandon_data)) if on]
    match presence:
        case Presence.NEVER:
            return NoSeal(presence, why, loss=False)
        case Presence.SEALABLE:
            return Seal(why, tuple(f"{flag} was not needed: the treasure is there and is sealed" for flag in given))
        case Presence.ABSENT:
            return NoSeal(presence, why, loss=True)
        case Presence.UNKNOWN:
            if source_lost:
                return NoSeal(presence, f"{why}; --source-lost was given", loss=True)
            return RefuseSeal(
                presence,
                "whether the old life still stands cannot be seen",
                why,
                (
                    "run it where the old life stands, or choose another site once that one is surely gone",
                    _given_up("--source-lost", verb, "if it is lost for good"),
                ),
            )
        case Presence.UNSEALABLE:
            # Data of somebody else is not ours to give up.
            if abandon_data and old.ours is True:
                return NoSeal(presence, f"{why}; --abandon-data was given", loss=True)
            words = "to give up what was written since the last archived change"
            offer = "castle status" if old.ours is not True else _given_up("--abandon-data", verb, words)
            return RefuseSeal(presence, "the treasure is there, but cannot be sealed", why, ("castle doctor", offer))


TAKES = {"--source-lost": ("rebirth", "raise"), "--abandon-data": ("rebirth", "raise", "wipe")}


def _given_up(flag: str, verb: str, when: str) -> str:
    """The way out by giving something up, for a verb that has it; any other verb is only told where to look."""
    return f"{when}: castle {verb} {flag}" if verb in TAKES[flag] else "castle status"

"""Whether everything came back: digests, markers, sequences; and how much an unplanned death can have cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.postgres.digest import Digest, TableDigest

# PostgreSQL logs a sequence this many values ahead (SEQ_LOG_VALS in src/backend/commands/sequence.c), so after a
# recovery it may continue a little further on; it never falls back.
_LOGGED_AHEAD = 32


def compare(before: Digest, after: Digest) -> list[str]:
    """Differences in words, by table; empty when all tables are equal.

    Args:
        before: taken behind the fence.
        after: taken after the return, before the fence was lifted.
    """
    differences = []
    for key in sorted(set(before) | set(after)):
        old, new = before.get(key), after.get(key)
        if old is None and new is not None:
            differences.append(f"{key}: was not there before, holds {_rows(new.rows)} now")
        elif new is None and old is not None:
            differences.append(f"{key}: is missing, held {_rows(old.rows)} before")
        elif old is not None and new is not None and old != new:
            differences.append(f"{key}: {_difference(old, new)}")
    return differences


def _difference(old: TableDigest, new: TableDigest) -> str:
    if old.rows == new.rows:
        return f"{_rows(old.rows)} as before, but their content differs"
    change = f"{_rows(old.rows - new.rows)} missing" if new.rows < old.rows else f"{_rows(new.rows - old.rows)} more"
    return f"{_rows(old.rows)} before, {new.rows} now ({change})"


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"


def compare_sequences(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> list[str]:
    """Differences of sequences in words: missing, fallen back, or further ahead than recovery explains.

    Args:
        before: decoded answer of `digest.SEQUENCES` behind the fence.
        after: the same after the return.
    """
    now = {(item["schema"], item["name"]): item for item in after}
    differences = []
    for old in before:
        key = (old["schema"], old["name"])
        named = f"sequence {key[0]}.{key[1]}"
        new = now.get(key)
        if new is None:
            differences.append(f"{named}: is missing")
        elif new["step"] != old["step"]:
            differences.append(f"{named}: its step was {old['step']}, is {new['step']} now")
        elif old["last"] is not None and not _continues(old, new["last"]):
            differences.append(f"{named}: stood at {old['last']}, stands at {new['last']} now")
        elif old["last"] is None and new["last"] is not None:
            differences.append(f"{named}: was never used, stands at {new['last']} now")
    return differences


def _continues(old: Mapping[str, Any], last: int | None) -> bool:
    if last is None:
        return False
    steps, rest = divmod(int(last) - int(old["last"]), int(old["step"]))
    if old.get("cycle") and last != old["last"]:
        return True  # it may have begun again
    return rest == 0 and 0 <= steps <= _LOGGED_AHEAD + int(old.get("cache", 1))


def compare_inventory(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Differences of named things (roles by name, extensions by name) in words.

    Args:
        what: "role", "extension"...
        before: name to anything that compares, behind the fence.
        after: the same after the return.
    """
    differences = []
    for name in sorted(set(before) | set(after)):
        if name not in after:
            differences.append(f"{what} {name}: is missing")
        elif name not in before:
            differences.append(f"{what} {name}: was not there before")
        elif before[name] != after[name]:
            differences.append(f"{what} {name}: is not as before")
    return differences


def missing_markers(expected: Iterable[str], found: Iterable[str]) -> list[str]:
    """Markers that did not come back, in order."""
    there = set(found)
    return [nonce for nonce in expected if nonce not in there]


@dataclass(frozen=True)
class LossBound:
    """What an unplanned death can have cost, as a bound.

    Attributes:
        seconds: at most so many seconds of commits are lost; None when there is no bound.
        within: whether that fits the budget; None without a budget, False without a bound.
        text: for people, with the reason why it is only a bound.
    """

    seconds: float | None
    within: bool | None
    text: str


def loss_bound(
    *,
    heartbeat_at: float | None,
    last_sign_of_life: float | None,
    command_at: float,
    rpo: float | None,
    clock_error: float = 0.0,
) -> LossBound:
    """Upper bound of the loss: from the last replayed heartbeat to the last sign of life.

    An idle database without a heartbeat would seem to have lost hours, so the heartbeat row is what counts.

    Args:
        heartbeat_at: commit time of the last heartbeat that was replayed, Unix seconds; None when there is none.
        last_sign_of_life: when the old life was last seen alive, Unix seconds; None when nobody saw it.
        command_at: when the command was given, Unix seconds; the end of the span where no sign of life is known.
        rpo: budget in seconds, None for none.
        clock_error: seconds by which the clocks of the two times may differ; added to the bound.
    """
    if heartbeat_at is None:
        return LossBound(
            None,
            None if rpo is None else False,
            "the loss has no bound: no heartbeat row came back, so the last commit cannot be dated",
        )
    until, what = (
        (command_at, "the command") if last_sign_of_life is None else (last_sign_of_life, "its last sign of life")
    )
    raw = until - heartbeat_at
    seconds = max(raw, 0.0) + clock_error
    within = None if rpo is None else seconds <= rpo
    budget = "" if rpo is None else f", {'within' if within else 'over'} the budget of {rpo:g} s"
    if raw < 0:
        detail = f"the last replayed heartbeat is {-raw:.1f} s younger than {what}: the clocks differ, or it went on"
        return LossBound(seconds, within, f"at most {seconds:.1f} s{budget}; {detail}")
    return LossBound(
        seconds,
        within,
        f"at most {seconds:.1f} s{budget}: from the last replayed heartbeat to {what}; "
        "what was committed in between cannot be counted",
    )

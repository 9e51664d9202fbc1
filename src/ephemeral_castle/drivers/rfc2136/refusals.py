"""Why a name is left alone, in words for people. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ephemeral_castle.drivers.rfc2136.zone import Kind, Standing, owner_name
from ephemeral_castle.errors import Refused

NOTHING_CHANGED = "nothing was changed"


def what_stands(standing: Standing) -> str:
    """What is there, in a few words."""
    if standing.alias:
        return f"CNAME {standing.alias}"
    return " ".join(standing.values) or "no address"


def why_not(standing: Standing, found: Kind, life: int) -> str:
    """Why a castle must not write there."""
    name, there, at = standing.name, what_stands(standing), owner_name(standing.name)
    match found:
        case Kind.DELEGATED:
            return f"{name} lies in another zone: this one hands it on by NS records"
        case Kind.ALIAS:
            return f"{name} is an alias ({there}): an alias and an address cannot stand at one name"
        case Kind.UNCLAIMED:
            return f"{name} stands there ({there}), and no castle has marked it as its own"
        case Kind.OTHERS:
            owner = standing.owner
            return f"{name} ({there}) belongs to another castle, {owner.castle if owner else 'unknown'}"
        case Kind.LATER:
            theirs = standing.owner.life if standing.owner else 0
            return f"{name} ({there}) leads to life {theirs} of this castle, which is later than life {life}"
        case _:
            return f"{name} ({there}) has marks that castle cannot read: {', '.join(standing.marks)} at {at}"


def what_to_do(found: Iterable[Kind], zone: str) -> list[str]:
    """Hints, the next command last."""
    kinds, hints = set(found), []
    if Kind.ALIAS in kinds:
        hints.append("remove the CNAME from the zone, if nothing needs it")
    if Kind.DELEGATED in kinds:
        hints.append(f"let `zone` name the zone that the records lie in, which is below {zone}")
    if Kind.OTHERS in kinds:
        hints.append("wipe the other castle first, or give this one other `records`")
    if Kind.GARBLED in kinds:
        hints.append("look at the TXT records at `_castle.`, and remove them if no castle lives by them")
    if Kind.LATER in kinds:
        hints.append("what stands on this computer is an older life: look where the later one is")
    # With `--adopt` nothing else may stand in the way.
    return [*hints, "castle raise --adopt, to take the names over" if kinds == {Kind.UNCLAIMED} else "castle status"]


def refused(pairs: Sequence[tuple[Standing, Kind]], zone: str, life: int, state: str) -> Refused:
    """The refusal for names that are not ours to change."""
    return Refused(
        f"{'a name' if len(pairs) == 1 else 'names'} of zone {zone} must not be changed by this castle",
        where=", ".join(standing.name for standing, _ in pairs),
        why="; ".join(why_not(standing, found, life) for standing, found in pairs),
        state=state,
        hints=what_to_do([found for _, found in pairs], zone),
    )

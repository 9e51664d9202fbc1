"""What stands at a name, whose it is, and what may be done about it. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ephemeral_castle.spi.names import NameChange, NameSet

_OWNER = re.compile(r'"castle=([^\s"]{1,80}) life=([0-9]{1,9})"')
FAMILIES = ("A", "AAAA")


def fqdn(label: str, zone: str) -> str:
    """The whole name of a record; `@` is the zone itself."""
    return zone if label == "@" else f"{label}.{zone}"


def owner_name(name: str) -> str:
    """Where it is written whose a name is."""
    return f"_castle.{name}"


def family(address: str) -> str:
    """The type of record for an address."""
    return "A" if ipaddress.ip_address(address).version == 4 else "AAAA"


@dataclass(frozen=True)
class Owner:
    """Whose a name is: id of the castle, and the life that it leads to."""

    castle: str
    life: int

    @property
    def value(self) -> str:
        """The TXT record, as in a zone file."""
        return f'"castle={self.castle} life={self.life}"'


@dataclass(frozen=True)
class Standing:
    """What one server says about one name.

    Attributes:
        name: the whole name.
        addresses: values by type, A and AAAA; a type without values is left out.
        ttl: the longest time that a resolver may keep them; 0 without any.
        alias: target of a CNAME that stands there instead, or "".
        marks: TXT values at the owner's name.
        delegated: whether the name lies in another zone.
        negative: seconds that a resolver may keep "there is no such name".
    """

    name: str
    addresses: Mapping[str, tuple[str, ...]]
    ttl: int = 0
    alias: str = ""
    marks: tuple[str, ...] = ()
    delegated: bool = False
    negative: int = 0

    @property
    def values(self) -> tuple[str, ...]:
        """All addresses."""
        return tuple(value for type_ in FAMILIES for value in self.addresses.get(type_, ()))

    @property
    def owner(self) -> Owner | None:
        """Whose it is, when one castle says so in words that can be read."""
        match = _OWNER.fullmatch(self.marks[0]) if len(self.marks) == 1 else None
        return Owner(match[1], int(match[2])) if match else None

    def to_json(self) -> dict[str, Any]:
        """For facts."""
        return {
            "addresses": {key: list(values) for key, values in self.addresses.items()},
            "ttl": self.ttl,
            "marks": list(self.marks),
            "negative": self.negative,
        }

    @classmethod
    def from_json(cls, name: str, data: Mapping[str, Any]) -> Standing:
        """Reads the facts of an earlier step."""
        addresses = {key: tuple(values) for key, values in data["addresses"].items()}
        return cls(name, addresses, int(data["ttl"]), marks=tuple(data["marks"]), negative=int(data["negative"]))


class Kind(StrEnum):
    """What stands at a name, seen by one castle."""

    FREE = "free"  # nothing
    OURS = "ours"
    UNCLAIMED = "unclaimed"  # addresses that no castle has marked as its own
    OTHERS = "another castle's"
    GARBLED = "garbled"  # a mark that cannot be read
    LATER = "a later life's"
    ALIAS = "alias"
    DELEGATED = "delegated"


def kind(standing: Standing, castle: str, life: int) -> Kind:
    """Whose a name is.

    Args:
        standing: what the server says.
        castle: id of the castle that asks.
        life: the life that it works on; a later one must not be pushed aside.
    """
    if standing.delegated:
        return Kind.DELEGATED
    if standing.alias:
        return Kind.ALIAS
    if not standing.marks:
        return Kind.UNCLAIMED if standing.values else Kind.FREE
    owner = standing.owner
    if owner is None:
        return Kind.GARBLED
    if owner.castle != castle:
        return Kind.OTHERS
    return Kind.LATER if owner.life > life else Kind.OURS


def may_take(found: Kind, *, adopt: bool) -> bool:
    """Whether a castle may write there. `adopt`: a person said so on this command line."""
    return found in (Kind.FREE, Kind.OURS) or (found is Kind.UNCLAIMED and adopt)


def is_right(standing: Standing, address: str, owner: Owner, ttl: int) -> bool:
    """Whether it stands just as it shall."""
    wanted = {family(address): (address,)}
    return standing.addresses == wanted and standing.ttl == ttl and standing.marks == (owner.value,)


def unchanged(standing: Standing) -> tuple[NameSet, ...]:
    """Expectations: the name is still as it was seen. A server ignores an A record beside a CNAME in silence."""
    types = [NameSet(standing.name, type_, standing.addresses.get(type_, ())) for type_ in FAMILIES]
    return (*types, NameSet(standing.name, "CNAME"), NameSet(owner_name(standing.name), "TXT", standing.marks))


def moved(zone: str, standings: Iterable[Standing], to: Mapping[str, str], owner: Owner, ttl: int) -> NameChange:
    """All names lead to their new addresses and are marked, in one change, if none of them changed meanwhile."""
    expect: list[NameSet] = []
    put: list[NameSet] = []
    for standing in standings:
        address = to[standing.name]
        expect += unchanged(standing)
        for type_ in FAMILIES:
            if type_ == family(address):
                put.append(NameSet(standing.name, type_, (address,), ttl))
            elif type_ in standing.addresses:
                put.append(NameSet(standing.name, type_))
        put.append(NameSet(owner_name(standing.name), "TXT", (owner.value,), ttl))
    return NameChange(zone, tuple(expect), tuple(put))


def restored(zone: str, now: Iterable[Standing], before: Mapping[str, Standing]) -> NameChange:
    """Addresses and TTLs as they were before, under the same mark."""
    expect: list[NameSet] = []
    put: list[NameSet] = []
    for standing in now:
        was = before[standing.name]
        expect += unchanged(standing)
        types = [type_ for type_ in FAMILIES if type_ in standing.addresses or type_ in was.addresses]
        put += [NameSet(standing.name, type_, was.addresses.get(type_, ()), was.ttl) for type_ in types]
    return NameChange(zone, tuple(expect), tuple(put))


def retimed(zone: str, standings: Iterable[Standing], ttl: int) -> NameChange:
    """The same addresses, to be kept for another time."""
    expect: list[NameSet] = []
    put: list[NameSet] = []
    for standing in standings:
        expect += unchanged(standing)
        put += [NameSet(standing.name, type_, values, ttl) for type_, values in standing.addresses.items()]
    return NameChange(zone, tuple(expect), tuple(put))


def removed(zone: str, standings: Iterable[Standing]) -> NameChange:
    """No address and no mark."""
    expect: list[NameSet] = []
    put: list[NameSet] = []
    for standing in standings:
        expect += unchanged(standing)
        put += [NameSet(standing.name, type_) for type_ in standing.addresses]
        put.append(NameSet(owner_name(standing.name), "TXT"))
    return NameChange(zone, tuple(expect), tuple(put))


def stale_until(seen: Standing, before: Standing | None, switched: float, lowered: float | None) -> float:
    """Until when a resolver may still give what stood there before a switch, Unix seconds.

    Args:
        seen: the name right before the switch.
        before: the name at the beginning of the run, with its old TTL; None when it was not looked at.
        switched: when it was switched.
        lowered: when its TTL was lowered, or None.
    """
    if not seen.values:
        return switched + seen.negative
    until = switched + seen.ttl
    if before is not None and before.values and before.ttl > seen.ttl:
        until = max(until, (switched if lowered is None else lowered) + before.ttl)
    return until

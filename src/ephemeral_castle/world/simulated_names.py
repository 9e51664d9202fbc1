"""Name servers in memory, with the semantics of RFC 2136: for tests and rehearsals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ephemeral_castle.errors import Conflict, Denied, Unreachable
from ephemeral_castle.spi.names import NameAnswer, NameChange, NameSet, TsigKey
from ephemeral_castle.spi.secret import Secret

PAGE = "10.0.0.1"
NEGATIVE = 5  # seconds that a resolver may keep "there is nothing"


@dataclass
class MemoryZone:
    """One zone on one server. `down`: the server does not answer. `sets`: by name and type."""

    zone: str
    sets: dict[tuple[str, str], NameSet] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    down: bool = False

    def put(self, *sets: NameSet) -> None:
        """Somebody writes into the zone."""
        for each in sets:
            self.sets[each.name, each.type] = each
            if not each.values:
                del self.sets[each.name, each.type]

    def look(self, name: str, type_: str) -> NameSet | None:
        """The set of a type, or the alias in its way; at a name where nothing stands, what a wildcard gives."""
        known = any(each == name for each, _ in self.sets)
        for at in (name,) if known else (name, f"*.{name.partition('.')[2]}"):
            for each in (self.sets.get((at, type_)), self.sets.get((at, "CNAME"))):
                if each is not None:
                    return NameSet(name, each.type, each.values, each.ttl)
        return None


class MemoryNames:
    """Implements `spi.names.Names` over zones in memory.

    Attributes:
        servers: zone by server.
        updates: every change that was made, in order.
        before: awaited ahead of each update; raise from it, or change the zone as somebody else would.
        after: awaited once it was made; raise from it for an answer that got lost.
    """

    def __init__(self) -> None:
        self.servers: dict[str, MemoryZone] = {}
        self.updates: list[NameChange] = []
        self.before: Callable[[NameChange], Awaitable[None]] | None = None
        self.after: Callable[[NameChange], Awaitable[None]] | None = None

    def _server(self, server: str) -> MemoryZone:
        found = self.servers.get(server)
        if found is None or found.down:
            raise Unreachable("the name server does not answer", where=server, why="connection refused")
        return found

    async def query(self, server: str, name: str, type_: str) -> NameAnswer:
        """See `spi.names.Names`."""
        zone = self._server(server)
        if name != zone.zone and not name.endswith(f".{zone.zone}"):
            raise Denied(f"asking for {name}: the name server says no", where=server, why="REFUSED")
        cuts = [each for each in zone.sets.values() if each.type == "NS" and each.name != zone.zone]
        for cut in cuts:
            if name == cut.name or name.endswith(f".{cut.name}"):
                return NameAnswer("NOERROR", authoritative=False, authority=(cut,))
        soa = NameSet(zone.zone, "SOA", (f"ns1.{zone.zone}. hostmaster.{zone.zone}. 1 60 60 60 {NEGATIVE}",), 60)
        found = soa if (name, type_) == (zone.zone, "SOA") else zone.look(name, type_)
        if found is not None:
            return NameAnswer("NOERROR", authoritative=True, sets=(found,))
        code = "NOERROR" if any(each == name for each, _ in zone.sets) else "NXDOMAIN"
        return NameAnswer(code, authoritative=True, authority=(soa,))

    async def update(self, server: str, change: NameChange, key: TsigKey | None) -> None:
        """See `spi.names.Names`."""
        if self.before is not None and change.put:
            await self.before(change)
        zone = self._server(server)
        if key is None:
            raise Denied("the name server says no", where=server, why="it wants the change signed (NOTAUTH)")
        if zone.keys.get(key.name) != key.secret.reveal():
            code = "BADSIG" if key.name in zone.keys else "BADKEY"
            raise Denied("the name server does not accept the signature", where=server, why=code)
        for each in change.expect:
            found = zone.sets.get((each.name, each.type))
            if set(found.values if found else ()) != set(each.values):
                raise Conflict("the zone is not as it was", where=server, why=f"{each.name} {each.type}")
        if change.put:
            self.updates.append(change)
        aliased = {name for name, type_ in zone.sets if type_ == "CNAME"}
        zone.put(*(each for each in change.put if each.values and each.name not in aliased))
        for each in change.put:
            if not each.values:
                zone.sets.pop((each.name, each.type), None)
        if self.after is not None and change.put:
            await self.after(change)


class MemoryPages:
    """Implements `spi.pages.Pages`: remembers what it was told.

    Attributes:
        shown: whether it answers.
        ends: when it was told to end.
        told: what it shows: castle, seconds, certificate.
        fails: raised instead of being shown.
    """

    address = PAGE

    def __init__(self) -> None:
        self.shown = False
        self.ends: float | None = None
        self.told: tuple[str, int, str] | None = None
        self.fails: Exception | None = None

    @property
    def ending(self) -> bool:
        """See `spi.pages.Pages`."""
        return self.shown and self.ends is not None

    async def show(self, castle: str, retry: int, chain: str, key: Secret | None) -> None:
        """See `spi.pages.Pages`."""
        if self.fails is not None:
            raise self.fails
        self.shown, self.ends, self.told = True, None, (castle, retry, chain if key is not None else "")

    async def end(self, at: float) -> None:
        """See `spi.pages.Pages`."""
        self.ends = at

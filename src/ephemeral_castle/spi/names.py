"""The door to authoritative name servers: what they answer, and changes that are made whole or not at all (RFC 2136).

Implemented in `world.names`, played by `world.simulated_names`. Names are absolute, in lower case, without the last
dot; values stand as in a zone file (`10.0.0.1`, `"a text"`).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ephemeral_castle.spi.secret import Secret

PORT = 53
ALGORITHMS: Mapping[str, str] = {
    **{f"hmac-sha{bits}": f"hmac-sha{bits}" for bits in (1, 224, 256, 384, 512)},
    "hmac-md5": "hmac-md5.sig-alg.reg.int",
}
_KEY_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")


@dataclass(frozen=True)
class TsigKey:
    """A key that signs what is asked of a name server (RFC 8945). `algorithm`: such as hmac-sha256."""

    algorithm: str
    name: str
    secret: Secret

    @classmethod
    def parse(cls, text: Secret) -> TsigKey:
        """Reads `ALGORITHM:NAME:BASE64`, the form that `kdig -y` and `nsupdate -y` take.

        Raises:
            ValueError: what is wrong with it, without the secret.
        """
        parts = text.reveal().strip().split(":")
        if len(parts) != len(("algorithm", "name", "secret")):
            raise ValueError("it is not of the form ALGORITHM:NAME:BASE64")
        algorithm, name, secret = (part.strip() for part in parts)
        if algorithm.lower() not in ALGORITHMS:
            raise ValueError(f"its algorithm is none of {', '.join(ALGORITHMS)}")
        if not _KEY_NAME.fullmatch(name):
            raise ValueError("its second part is no name of a key")
        try:
            known = base64.b64decode(secret, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("its third part is not base64") from None
        if not known:
            raise ValueError("its third part is empty")
        return cls(algorithm.lower(), name.lower().rstrip("."), Secret(secret))


@dataclass(frozen=True)
class NameSet:
    """All records of one name and type; without values: there are none. `ttl`: seconds that caches may keep it."""

    name: str
    type: str
    values: tuple[str, ...] = ()
    ttl: int = 0


@dataclass(frozen=True)
class NameAnswer:
    """What a server says about a name and a type.

    Attributes:
        code: NOERROR, or NXDOMAIN where nothing has that name.
        authoritative: whether the server speaks for the zone itself.
        sets: what it gave; a CNAME among it stands in the way of what was asked for.
        authority: what it gave besides: the SOA where there is nothing, NS records where another zone begins.
    """

    code: str
    authoritative: bool
    sets: tuple[NameSet, ...] = ()
    authority: tuple[NameSet, ...] = ()

    def get(self, name: str, type_: str) -> NameSet:
        """The set of that name and type; one without values when there is none."""
        found = (each for each in self.sets if (each.name, each.type) == (name, type_))
        return next(found, NameSet(name, type_))


@dataclass(frozen=True)
class NameChange:
    """One change of a zone, made whole or not at all.

    Attributes:
        zone: whose server is told.
        expect: sets that must stand there exactly so (their values; without values: not at all), or nothing is changed.
        put: sets as they shall be; without values: removed.
    """

    zone: str
    expect: tuple[NameSet, ...] = ()
    put: tuple[NameSet, ...] = ()


class Names(Protocol):
    """Authoritative name servers. A server is `HOST` or `HOST:PORT`, an IPv6 address in brackets.

    Both raise Unreachable (nothing answered; after an update its outcome is unknown: look), Transient (the server
    cannot at the moment), Denied (it knows us and says no; `why` says what about the key it does not like).
    """

    async def query(self, server: str, name: str, type_: str) -> NameAnswer:
        """Asks the server itself, without recursion."""
        ...

    async def update(self, server: str, change: NameChange, key: TsigKey | None) -> None:
        """Makes a change; one with nothing to put only asks whether the expectations hold.

        Raises:
            Conflict: an expectation does not hold; nothing was changed.
        """
        ...


def split_server(server: str) -> tuple[str, int]:
    """Host and port of `HOST`, `HOST:PORT`, `[IPV6]:PORT`.

    Raises:
        ValueError: it is none of these.
    """
    match = re.fullmatch(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?", server)
    port = int(match["port"] or PORT) if match else 0
    if match is None or not 0 < port < 1 << 16:
        raise ValueError(f"`{server}` is no HOST:PORT")
    return match["six"] or match["host"], port

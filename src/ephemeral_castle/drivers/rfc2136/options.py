"""Options of the driver `rfc2136`."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, Field

from ephemeral_castle.spi.options import LayerName, MachineName, NameServer, Options, SecretName, refusal
from ephemeral_castle.spi.units import Duration

_PART = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_LONGEST = 200  # characters of a name; 253 less `_castle.` and room
HERE = "here"
_WEEK = 7 * 86400.0


def _name(text: str) -> str:
    bare = text.removesuffix(".")
    if len(bare) > _LONGEST or not all(_PART.fullmatch(part) for part in bare.split(".")):
        raise refusal("this is no name of the DNS", "small letters, digits and hyphens between dots")
    return bare


def _label(text: str) -> str:
    if text == "@":
        return text
    if text.endswith(".") or "*" in text:
        raise refusal("a record is named below its zone", "`blog` for blog.ZONE, `@` for the zone itself")
    return _name(text)


def _seconds(value: float) -> float:
    if not 1 <= value <= _WEEK or value != int(value):
        raise refusal("a TTL is a whole number of seconds, up to 7d", "such as 60s")
    return value


def _address(text: str) -> str:
    if text not in ("", HERE):
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise refusal("this is no IP address", "`here`, or the address at which a page of yours answers") from None
    return text


Zone = Annotated[str, AfterValidator(_name)]
Label = Annotated[str, AfterValidator(_label)]
Ttl = Annotated[Duration, AfterValidator(_seconds)]
Address = Annotated[str, AfterValidator(_address)]


class Rfc2136Options(Options):
    """Names that lead to machines, on a name server of yours that takes signed updates."""

    server: NameServer = Field(description="name server that takes changes of the zone: HOST or HOST:PORT")
    zone: Zone = Field(description="the zone")
    key: SecretName = Field(description="secret with the key that signs: ALGORITHM:NAME:BASE64")
    records: dict[Label, MachineName] = Field(
        min_length=1, description="machine by record; `blog` is blog.ZONE, `@` the zone itself"
    )
    ttl: Ttl = Field(default=60.0, description="how long resolvers may keep an answer")
    lowered_ttl: Ttl = Field(default=5.0, description="the same while a rebirth is under way, until the switch")
    secondaries: list[NameServer] = Field(
        default_factory=list, description="other name servers of the zone; all must agree before a run and at its end"
    )
    maintenance: Address = Field(
        default="",
        description="page that the records lead to from the cut to the switch: `here` for castle's own, or the address "
        "of yours",
    )
    maintenance_port: int = Field(default=443, ge=1, le=65535, description="port on which a page of yours must answer")
    certificate: LayerName | None = Field(
        default=None, description="layer whose certificate castle's own page has; without it the page is http alone"
    )
    timeout: Duration = Field(default=60.0, description="longest wait for a name server once the castle serves again")

"""Options of the driver `certificates`."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from ephemeral_castle.spi.options import NameServer, Options, SecretName, refusal
from ephemeral_castle.spi.units import Duration

_PART = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST = 230  # characters of a name; 253 less `_acme-challenge.` and room
_HOUR, _YEAR = 3600.0, 365 * 86400.0


def _domain(text: str) -> str:
    if len(text) > _LONGEST or not all(_PART.fullmatch(part) for part in text.split(".")):
        raise refusal("this is no name of a host", "small letters, digits and hyphens between dots; no IP address")
    if text.rpartition(".")[2].isdigit():
        raise refusal("a certificate is for names, and this is an IP address", "give the address a name")
    return text


def _name(text: str) -> str:
    return text[:2] + _domain(text[2:]) if text.startswith("*.") else _domain(text)


def _directory(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname:
        raise refusal("the directory of a CA is an https URL", "such as https://acme-v02.api.letsencrypt.org/directory")
    return text


def _contact(text: str) -> str:
    if text and not re.fullmatch(r"[^@\s,?]+@[^@\s,?]+", text):
        raise refusal("a contact is one mail address", "such as castle@example.org")
    return text


def _ahead(value: float) -> float:
    if not _HOUR <= value <= _YEAR:
        raise refusal("a certificate is renewed between an hour and a year ahead of its end", "such as 21d")
    return value


def _unique(names: list[str]) -> list[str]:
    if len(set(names)) != len(names):
        raise refusal("a name stands there twice", "keep one of them")
    return names


Name = Annotated[str, AfterValidator(_name)]
Domain = Annotated[str, AfterValidator(_domain)]
Directory = Annotated[str, AfterValidator(_directory)]
Contact = Annotated[str, AfterValidator(_contact)]


class DnsOptions(Options):
    """The name server that takes the answers to a CA's questions (DNS-01, by RFC 2136)."""

    server: NameServer = Field(description="name server that takes changes of the zone: HOST or HOST:PORT")
    zone: Domain = Field(description="the zone")
    key: SecretName = Field(description="secret with the key that signs: ALGORITHM:NAME:BASE64")
    secondaries: list[NameServer] = Field(
        default_factory=list, description="other name servers of the zone; all must have an answer before the CA looks"
    )


class AcmeOptions(Options):
    """A CA that issues by ACME (RFC 8555)."""

    directory: Directory = Field(
        description="the CA's directory", examples=["https://acme-v02.api.letsencrypt.org/directory"]
    )
    dns: DnsOptions = Field(description="where the castle proves that the names are its own")
    contact: Contact = Field(default="", description="mail address that the CA is told")
    ca: str = Field(default="", description="file with the CA (PEM) of the directory's own HTTPS, when it is private")
    root: str = Field(
        default="", description="file with the root (PEM) that the certificates lead to, when it is no public one"
    )
    timeout: Duration = Field(default=120.0, description="longest wait for the CA, from order to certificate")


class CertificatesOptions(Options):
    """One certificate with its key, kept in the vault and carried to every new life."""

    names: Annotated[list[Name], AfterValidator(_unique)] = Field(
        min_length=1, max_length=100, description="names that it is for; `*.example.org` for all right below"
    )
    issuer: Literal["own"] | AcmeOptions = Field(
        default="own", description="`own`, a CA that the castle makes for itself, or a CA that speaks ACME"
    )
    renew_before: Annotated[Duration, AfterValidator(_ahead)] = Field(
        default=21 * 86400.0, description="time before its end when it is renewed; never more than a third of its life"
    )
    domains: list[Domain] = Field(
        default_factory=list,
        description="domains that the castle's own CA may sign names of; without any: those in `names` alone",
    )

    @model_validator(mode="after")
    def _in_zone(self) -> Self:
        """The castle can prove only names that lie in the zone that it may change."""
        zone = self.acme.dns.zone if self.acme else ""
        outside = [name for name in self.names if zone and name != zone and not name.endswith(f".{zone}")]
        if outside:
            raise refusal(f"`{outside[0]}` does not lie in zone `{zone}`", "name the zone that all `names` lie in")
        return self

    @property
    def acme(self) -> AcmeOptions | None:
        """The CA that speaks ACME; None for the castle's own."""
        return None if isinstance(self.issuer, str) else self.issuer

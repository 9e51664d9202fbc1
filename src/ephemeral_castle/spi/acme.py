"""The door to certificate authorities that speak ACME (RFC 8555): one method for each thing that is asked.

Implemented in `world.acme`. What is asked of an authority is said by the account; who drives an order is a driver.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ephemeral_castle.errors import Permanent
from ephemeral_castle.spi.secret import Secret


class RateLimited(Permanent):
    """The authority gives no more for now. `until`: Unix seconds when it may again; 0 when it does not say."""

    until: float = 0.0


@dataclass(frozen=True)
class AcmeDirectory:
    """What an authority says of itself. `terms`: URL of what one agrees to, or "". `now`: its clock; 0 if unknown."""

    url: str
    terms: str = ""
    now: float = 0.0


@dataclass(frozen=True)
class AcmeAccount:
    """Who asks.

    Attributes:
        directory: URL of the authority's directory.
        ca: PEM text of the authority of its HTTPS; "" for a public one.
        key: private key of the account (ECDSA P-256, PEM); it is the account.
        url: of the account; "" until `enter` gave it.
    """

    directory: str
    ca: str
    key: Secret = field(repr=False)
    url: str = ""


@dataclass(frozen=True)
class AcmeOrder:
    """An order. `status`: pending, ready, processing, valid, invalid. `error`: why it is invalid. `wait`: seconds."""

    url: str
    status: str
    names: tuple[str, ...] = ()
    authorizations: tuple[str, ...] = ()
    finalize: str = ""
    certificate: str = ""
    error: str = ""
    wait: float = 0.0


@dataclass(frozen=True)
class AcmeProof:
    """What proves by the DNS that a name is ours.

    Attributes:
        url: of the authorization.
        name: without the `*.` of a wildcard.
        status: of the authorization: pending, valid, and others that will not do.
        challenge: URL of the DNS-01 challenge; "" when the authority offers none.
        text: that must stand as TXT at `_acme-challenge.NAME`.
        error: what the authority saw instead, or "".
        wait: seconds until it should be asked again; 0 when it does not say.
    """

    url: str
    name: str
    status: str
    challenge: str = ""
    text: str = ""
    error: str = ""
    wait: float = 0.0


class Acme(Protocol):
    """Authorities that speak ACME.

    All raise Unreachable (nothing answered), Transient (it cannot at the moment), RateLimited, Denied (it knows us and
    says no; `why` has its words), NotFound (an order that it does not know any more).
    """

    async def directory(self, url: str, ca: str) -> AcmeDirectory:
        """What the authority says of itself."""
        ...

    async def enter(self, account: AcmeAccount, contact: str) -> AcmeAccount:
        """The account of this key, made when there is none; agrees to the authority's terms."""
        ...

    async def order(self, account: AcmeAccount, names: Sequence[str]) -> AcmeOrder:
        """Begins an order."""
        ...

    async def read(self, account: AcmeAccount, order: str) -> AcmeOrder:
        """How an order stands, by its URL."""
        ...

    async def proof(self, account: AcmeAccount, authorization: str) -> AcmeProof:
        """How an authorization stands."""
        ...

    async def answer(self, account: AcmeAccount, challenge: str) -> None:
        """Tells the authority that it may look now."""
        ...

    async def finalize(self, account: AcmeAccount, order: AcmeOrder, request: bytes) -> AcmeOrder:
        """Hands in the signing request (DER); from here on a certificate is issued."""
        ...

    async def certificate(self, account: AcmeAccount, url: str) -> str:
        """The chain (PEM), the server's certificate first."""
        ...

"""Certificate authorities by HTTP: signed requests, nonces, and what an authority's "no" means (RFC 8555).

Own code, over httpx and cryptography: an order must be gone on with by its URL after a kill, and every wait must be
the castle's.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import httpx

from ephemeral_castle.errors import CastleError, Denied, NotFound, Permanent, Transient, Unreachable
from ephemeral_castle.spi.acme import AcmeAccount, AcmeDirectory, AcmeOrder, AcmeProof, RateLimited
from ephemeral_castle.world import jose

if TYPE_CHECKING:
    from ephemeral_castle.spi.world import Clock

TIMEOUT = 15.0  # seconds, for connecting and for every silence on the line
NONCES = 4  # tries of a request whose nonce the authority does not like (RFC 8555 section 6.5)
AGENT = "ephemeral-castle"
ERROR = "urn:ietf:params:acme:error:"
WANTED = ("newNonce", "newAccount", "newOrder")


@dataclass(frozen=True)
class _Said:
    """One answer. `body`: of JSON; empty for others."""

    status: int
    headers: httpx.Headers
    body: Mapping[str, Any]
    text: str

    @property
    def problem(self) -> str:
        """The kind of error (RFC 8555 section 6.7), or ""."""
        return str(self.body.get("type", "")).removeprefix(ERROR)


class HttpAcme:
    """Implements `spi.acme.Acme`.

    Args:
        clock: tells when an authority may be asked again.
        transport: plays the network in tests.
    """

    def __init__(self, clock: Clock, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._clock = clock
        self._transport = transport
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._directories: dict[str, Mapping[str, Any]] = {}
        self._nonces: dict[str, list[str]] = {}

    async def directory(self, url: str, ca: str) -> AcmeDirectory:
        """See `spi.acme.Acme`."""
        said = await self._send("GET", url, ca)
        if said.status != 200 or not all(str(said.body.get(each, "")).startswith("https://") for each in WANTED):
            why = f"its answer ({said.status}) is no directory of ACME"
            if said.status >= 500:
                raise Transient("the CA cannot at the moment", where=url, why=why)
            raise Denied("there is no CA", where=url, why=why, hints=["look at `directory` in the definition"])
        self._directories[url] = said.body
        meta = said.body.get("meta") or {}
        return AcmeDirectory(url, str(meta.get("termsOfService", "")), _date(said.headers.get("date", "")))

    async def enter(self, account: AcmeAccount, contact: str) -> AcmeAccount:
        """See `spi.acme.Acme`."""
        mail = {"contact": [f"mailto:{contact}"]} if contact else {}
        url = (await self._known(account))["newAccount"]
        said = await self._post(replace(account, url=""), url, {"termsOfServiceAgreed": True, **mail})
        found = replace(account, url=said.headers.get("location", ""))
        if not found.url:
            raise Permanent("the CA does not say where the account is", where=account.directory)
        if mail and said.status == 200 and said.body.get("contact") not in (None, mail["contact"]):
            await self._post(found, found.url, mail)
        return found

    async def order(self, account: AcmeAccount, names: Sequence[str]) -> AcmeOrder:
        """See `spi.acme.Acme`."""
        url = (await self._known(account))["newOrder"]
        identifiers = [{"type": "dns", "value": name} for name in names]
        said = await self._post(account, url, {"identifiers": identifiers})
        return _order(said.headers.get("location", ""), said)

    async def read(self, account: AcmeAccount, order: str) -> AcmeOrder:
        """See `spi.acme.Acme`."""
        return _order(order, await self._post(account, order, None))

    async def proof(self, account: AcmeAccount, authorization: str) -> AcmeProof:
        """See `spi.acme.Acme`."""
        said = await self._post(account, authorization, None)
        challenges = [each for each in said.body.get("challenges", ()) if each.get("type") == "dns-01"]
        challenge: Mapping[str, Any] = challenges[0] if challenges else {}
        failed: Mapping[str, Any] = next(
            (each["error"] for each in said.body.get("challenges", ()) if each.get("error")), {}
        )
        token = str(challenge.get("token", ""))
        return AcmeProof(
            authorization,
            str(said.body.get("identifier", {}).get("value", "")),
            str(said.body.get("status", "")),
            str(challenge.get("url", "")),
            jose.dns_text(account.key.reveal(), token) if token else "",
            _words(failed),
            self._wait(said),
        )

    async def answer(self, account: AcmeAccount, challenge: str) -> None:
        """See `spi.acme.Acme`."""
        await self._post(account, challenge, {})

    async def finalize(self, account: AcmeAccount, order: AcmeOrder, request: bytes) -> AcmeOrder:
        """See `spi.acme.Acme`."""
        return _order(order.url, await self._post(account, order.finalize, {"csr": jose.b64(request)}))

    async def certificate(self, account: AcmeAccount, url: str) -> str:
        """See `spi.acme.Acme`."""
        return (await self._post(account, url, None, accept="application/pem-certificate-chain")).text

    async def _known(self, account: AcmeAccount) -> Mapping[str, Any]:
        if account.directory not in self._directories:
            await self.directory(account.directory, account.ca)
        return self._directories[account.directory]

    async def _post(self, account: AcmeAccount, url: str, payload: Mapping[str, Any] | None, accept: str = "") -> _Said:
        """One signed request; without a payload it only reads (POST-as-GET)."""
        for tried in range(1, NONCES + 1):
            nonce = await self._nonce(account)
            body = jose.signed(account.key.reveal(), url, nonce, payload, account.url)
            headers = {"content-type": "application/jose+json", **({"accept": accept} if accept else {})}
            said = await self._send("POST", url, account.ca, content=body, headers=headers)
            self._keep_nonce(account.directory, said)
            if said.problem != "badNonce" or tried == NONCES:
                break
        if said.status >= 400:
            raise self._no(url, said)
        return said

    async def _nonce(self, account: AcmeAccount) -> str:
        kept = self._nonces.setdefault(account.directory, [])
        if kept:
            return kept.pop()
        url = (await self._known(account))["newNonce"]
        said = await self._send("HEAD", url, account.ca)
        nonce = said.headers.get("replay-nonce", "")
        if not nonce:
            raise Transient("the CA gives no nonce", where=url, why=f"status {said.status}")
        return str(nonce)

    def _keep_nonce(self, directory: str, said: _Said) -> None:
        nonce = said.headers.get("replay-nonce", "")
        if nonce:
            self._nonces[directory] = [nonce]  # the newest one: old ones are forgotten by authorities

    async def _send(self, method: str, url: str, ca: str, **more: Any) -> _Said:
        if not url.startswith("https://"):
            raise Denied("a CA is asked by https alone", where=url)
        if ca not in self._contexts:
            self._contexts[ca] = _context(ca)
        try:
            async with httpx.AsyncClient(
                verify=self._contexts[ca], transport=self._transport, timeout=TIMEOUT, follow_redirects=False,
                headers={"user-agent": AGENT}, trust_env=False,
            ) as client:  # fmt: skip
                answer = await client.request(method, url, **more)
        except httpx.HTTPError as error:
            raise _silent(url, error) from None
        return _said(answer)

    def _no(self, url: str, said: _Said) -> CastleError:
        """What an error means for who asked."""
        why = _words(said.body) or f"status {said.status}"
        wait = self._wait(said)
        if said.problem == "rateLimited" or said.status == 429:
            limited = RateLimited("the CA issues no more certificates for these names for now", where=url, why=why)
            limited.until = self._clock.now() + wait if wait else 0.0
            return limited
        if said.status >= 500 or said.problem in ("serverInternal", "badNonce", "orderNotReady"):
            return Transient("the CA cannot at the moment", where=url, why=why, retry_after=wait or None)
        if said.status == 404:
            return NotFound("the CA knows it no more", where=url, why=why)
        return Denied("the CA says no", where=url, why=why)

    def _wait(self, said: _Said) -> float:
        """Seconds of `Retry-After`, which is a number or a date; 0 when there is none."""
        text = said.headers.get("retry-after", "")
        if text.isdigit():
            return float(text)
        moment = _date(text)
        return max(0.0, moment - self._clock.now()) if moment else 0.0


def _context(ca: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=ca or None)
    except ssl.SSLError as error:
        raise Permanent("the certificate that `ca` names cannot be read", why=str(error)) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _silent(url: str, error: httpx.HTTPError) -> CastleError:
    """Nothing came back: nobody there, or somebody who is not trusted."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            hints = ["a private CA's own certificate is named by `ca`", "castle plan --offline"]
            return Denied("the CA's web server is not trusted", where=url, why=cause.verify_message, hints=hints)
        cause = cause.__cause__ or cause.__context__
    return Unreachable("the CA does not answer", where=url, why=str(error) or type(error).__name__)


def _said(answer: httpx.Response) -> _Said:
    body: Any = {}
    if "json" in answer.headers.get("content-type", ""):
        try:
            body = answer.json()
        except ValueError:
            body = {}
    return _Said(answer.status_code, answer.headers, body if isinstance(body, dict) else {}, answer.text)


def _order(url: str, said: _Said) -> AcmeOrder:
    body = said.body
    if not url or "status" not in body:
        raise Permanent("the CA's answer is no order", where=url, why=f"status {said.status}")
    wait = said.headers.get("retry-after", "")
    return AcmeOrder(
        url,
        str(body["status"]),
        tuple(str(each["value"]) for each in body.get("identifiers", ())),
        tuple(map(str, body.get("authorizations", ()))),
        str(body.get("finalize", "")),
        str(body.get("certificate", "")),
        _words(body.get("error") or {}),
        float(wait) if wait.isdigit() else 0.0,
    )


def _words(problem: Mapping[str, Any]) -> str:
    """A problem document (RFC 7807) in one line, with what it says about single names."""
    below = problem.get("subproblems", ())
    single = [f"{each.get('identifier', {}).get('value', '')}: {each.get('detail', '')}" for each in below]
    parts = [str(problem.get("detail", "")), *single]
    kind = str(problem.get("type", "")).removeprefix(ERROR)
    return json.dumps("; ".join(filter(None, parts)))[1:-1] + (f" ({kind})" if kind else "")


def _date(text: str) -> float:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError):
        return 0.0

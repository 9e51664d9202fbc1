"""Requests to one API server: connection, retries, time limits, and streams of lines.

A line ends at a line feed and nowhere else: `httpx` also splits text at U+0085 and U+2028, which stand unescaped in
the strings of a JSON line. And where the API server reads JSON as YAML (server-side apply), those two are line ends,
too, which it folds into a space: they are sent escaped. Everything else is sent as it is, since YAML knows no escaped
surrogates.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from ephemeral_castle.errors import CastleError, Denied, Permanent, Unreachable
from ephemeral_castle.spi.kubernetes import ClusterAccess
from ephemeral_castle.world.kubernetes import answers, tls
from ephemeral_castle.world.kubernetes.answers import Expired, Said

if TYPE_CHECKING:
    from ephemeral_castle.spi.world import Clock

AGENT = "ephemeral-castle"
CONNECT = 5.0  # seconds
SHORT = 15.0  # seconds without a byte, for the first try to read: after it the server is asked whether it lives
SILENCE = 60.0  # seconds without a byte; the API server itself gives up a request after 60
WRITE = 40.0  # seconds for one try to write: the API server, webhooks included, ends it after 34 (handlers/rest.go)
ATTEMPTS = 5
FIRST_DELAY = 0.2  # seconds; doubled each time, never above the ceiling
CEILING = 3.0
LONGEST_WAIT = 15.0  # seconds of Retry-After that are honoured within one call
READYZ = 5.0  # seconds
REFUSING = (401, 403)
UNKNOWN = "whether it was done is not known"  # the state that an error tells when a try may have been carried out
DOUBT = 1.0  # seconds until a server that does not say whether it is ready is asked again
# A peer that vanished without a word (a power cut) is noticed after 5 + 3 x 5 s, also while nothing is sent.
KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)

# YAML's other line ends, and what it does not take as printable (YAML 1.1, section 5.1).
ESCAPED = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF)}

Query = Sequence[tuple[str, str]]
Request = tuple[str, str, Query, Mapping[str, str], bytes]
"""Method, path, query, headers and content."""


class Wire:
    """One API server and one identity. Belongs to one event loop; `close()` it there."""

    def __init__(self, access: ClusterAccess, clock: Clock, *, attempts: int = ATTEMPTS) -> None:
        parts = urlsplit(access.server)
        if parts.scheme != "https" or not parts.hostname:
            raise Permanent(f"{access.server} cannot be an API server", why="keys and secrets travel by https alone")
        self.access = access
        self.clock = clock
        self.base = access.server.rstrip("/")
        self.where = parts.netloc
        self._attempts = attempts
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._context: ssl.SSLContext | None = None

    @property
    def context(self) -> ssl.SSLContext:
        """The TLS side; also of WebSockets. Raises Permanent: certificates that cannot be used."""
        if self._context is None:
            self._context = tls.context(self.access)
        return self._context

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        token = self.access.token
        # Compression would cost the API server's machine more than the network gains.
        return {
            "user-agent": AGENT,
            "accept-encoding": "identity",
            **({"authorization": f"Bearer {token.reveal()}"} if token else {}),
        }

    async def call(
        self,
        method: str,
        path: str,
        *,
        doing: str,
        query: Query = (),
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        expect: Sequence[int] = (),
    ) -> Said:
        """Sends one request until it has an answer worth having.

        A POST is not sent again when nobody knows whether it was carried out: it would create a second one, or find
        its own work to be another's. Any other write is, and a refusal of a later try says that it was (`UNKNOWN`).
        Who may do what, a server knows only when it is ready: a 401 or 403 is believed from one that is, and when it
        says so twice.

        Args:
            method: HTTP method.
            path: from the root, encoded.
            doing: what this is for people, like "reading Pod data/db-0".
            query: parameters, not encoded.
            body: sent as JSON; None for none.
            headers: further headers.
            expect: statuses besides 2xx that are answers, not errors.

        Raises:
            Unreachable: no answer, 5xx or 429 to the last. Others: as `answers.failure` reads the answer.
        """
        content = b"" if body is None else json.dumps(body, ensure_ascii=False).translate(ESCAPED).encode()
        kind = {} if body is None else {"content-type": "application/json"}
        request = (method, path, query, {**kind, **(headers or {})}, content)
        said = await self._answered(request, doing, (*expect, *REFUSING))
        if said.status in REFUSING and said.status not in expect:
            await self._settled(said, doing)
            said = await self._answered(request, doing, expect)
        return said

    async def _settled(self, said: Said, doing: str) -> None:
        """Raises Unreachable: the server that says no is not ready. Others, as /readyz is kept from some accounts."""
        ready = await self.peek("/readyz", timeout=READYZ)
        if ready.status in REFUSING:
            await self.clock.sleep(DOUBT)
        elif not ready.ok:
            raise Unreachable(f"{doing}: the API server is not ready", where=self.where, why=said.words)

    async def _answered(self, request: Request, doing: str, expect: Sequence[int]) -> Said:
        """Gives up a server that takes connections and never answers: a read after `SHORT` and `READYZ`, a write later.

        Whoever reads has other ways, and less time than five times `SILENCE`. One that is slow has one more such try.
        What an act was about to write is worth a second try.
        """
        method, silent, state = request[0], 0, ""
        reads = method == "GET"
        for attempt in range(1, self._attempts + 1):
            said = await (self._read(request, silent) if reads else self._write(request))
            if isinstance(said, Said):
                if said.ok or said.status in expect:
                    return said
                if not answers.worth_another_try(said):
                    raise _told(answers.failure(said, doing, self.where), state)
            undone = reads or (answers.surely_undone(said) if isinstance(said, Said) else _never_left(said))
            state = state if undone else UNKNOWN
            mute = isinstance(said, httpx.ReadTimeout | httpx.ConnectTimeout if silent else httpx.ReadTimeout)
            silent += mute
            over = attempt == self._attempts or (method == "POST" and not undone)
            if over or silent > 1 or (mute and reads and not await self._lives()):
                raise self._gave_up(said, doing, attempt, state)
            if not (mute and reads):
                await self.clock.sleep(delay(attempt, said.wait if isinstance(said, Said) else 0.0))
        raise AssertionError("unreachable: the loop returns or raises")

    async def _read(self, request: Request, silent: int) -> Said | httpx.TransportError:
        """One try. `silent`: how many before it ended without a byte."""
        return await self._once(*request, _limits(SILENCE if silent else SHORT))

    async def _write(self, request: Request) -> Said | httpx.TransportError:
        """One try, which is not broken off while the server lives: a webhook may take its time."""
        work = asyncio.ensure_future(self._once(*request, _limits(WRITE)))
        try:
            done, _ = await asyncio.wait({work}, timeout=SHORT)
            if not done and not await self._lives() and not work.done():
                return httpx.ReadTimeout(f"no answer within {SHORT:g} s, and none to /readyz")
            return await work
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _lives(self) -> bool:
        try:
            await self.peek("/readyz", timeout=READYZ)
        except Unreachable:
            return False
        return True

    async def peek(self, path: str, *, timeout: float) -> Said:
        """One short look without a second try; any answer is one. Raises Unreachable, Denied."""
        limits = httpx.Timeout(timeout)
        said = await self._once("GET", path, (), {}, b"", limits)
        if isinstance(said, Said):
            return said
        raise self._gave_up(said, f"reading {path}", 1)

    @asynccontextmanager
    async def lines(
        self, path: str, query: Query, *, doing: str, silence: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Opens a stream of lines; one try.

        Args:
            path: from the root, encoded.
            query: parameters.
            doing: what this is for people.
            silence: seconds without a byte until the server counts as gone.

        Raises:
            Unreachable: no answer, or the stream broke off, also while it is read. Expired: a moment was asked for
                that the server does not have. Others: as `answers.failure`.
        """
        limits = httpx.Timeout(CONNECT, read=silence)
        try:
            request = self._request("GET", path, query, {}, b"", limits, client="streams")
            answer = await self._client("streams").send(request, stream=True)
            try:
                if answer.status_code != 200:
                    said = Said(answer.status_code, _lower(answer.headers), await answer.aread())
                    if said.expired:
                        raise Expired
                    raise answers.failure(said, doing, self.where)
                yield _split(answer.aiter_bytes())
            finally:
                await answer.aclose()
        except httpx.TransportError as error:
            raise self._gave_up(error, doing, 1) from None

    async def close(self) -> None:
        """Closes the connections."""
        clients = list(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.aclose()

    async def _once(
        self,
        method: str,
        path: str,
        query: Query,
        headers: Mapping[str, str],
        content: bytes,
        limits: httpx.Timeout,
    ) -> Said | httpx.TransportError:
        try:
            request = self._request(method, path, query, headers, content, limits)
            answer = await self._client("calls").send(request)
        except httpx.TransportError as error:
            self._check_identity(error)
            return error
        return Said(answer.status_code, _lower(answer.headers), answer.content)

    def _request(
        self,
        method: str,
        path: str,
        query: Query,
        headers: Mapping[str, str],
        content: bytes,
        limits: httpx.Timeout,
        client: str = "calls",
    ) -> httpx.Request:
        names = {"sni_hostname": self.access.name} if self.access.name else {}
        return self._client(client).build_request(
            method,
            self.base + path,
            params=list(query) or None,
            headers={"accept": "application/json", **headers},
            content=content or None,
            timeout=limits,
            extensions=names,
        )

    def _client(self, use: str) -> httpx.AsyncClient:
        """Watches hold their connections for ever, and so have a pool of their own, without a limit."""
        if use not in self._clients:
            most = None if use == "streams" else 32
            transport = httpx.AsyncHTTPTransport(
                verify=self.context,
                trust_env=False,
                limits=httpx.Limits(max_connections=most, max_keepalive_connections=16, keepalive_expiry=30),
                socket_options=KEEPALIVE,
            )
            self._clients[use] = httpx.AsyncClient(
                transport=transport, trust_env=False, follow_redirects=False, headers=self.headers
            )
        return self._clients[use]

    def _check_identity(self, error: BaseException) -> None:
        why = tls.refusal(error)
        if why:
            hints = ("another cluster may have taken the address", "castle status")
            raise Denied("the API server is not the one that is expected", where=self.where, why=why, hints=hints)

    def _gave_up(self, last: Said | httpx.TransportError, doing: str, tries: int, state: str = "") -> CastleError:
        if isinstance(last, Said):
            return _told(answers.failure(last, doing, self.where), state)
        self._check_identity(last)
        why = f"{str(last) or type(last).__name__}" + (f", after {tries} tries" if tries > 1 else "")
        return Unreachable(f"{doing}: the API server does not answer", where=self.where, why=why, state=state)


async def _split(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Whole lines; what stands behind the last line feed when the stream ends is not whole, and not told."""
    parts: list[bytes] = []
    async for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            parts.append(line)
            yield b"".join(parts)
            parts = []
        if rest:
            parts.append(rest)


def _limits(silence: float) -> httpx.Timeout:
    return httpx.Timeout(CONNECT, read=silence, write=SILENCE, pool=SILENCE)


def _told(error: CastleError, state: str) -> CastleError:
    """The error, with what earlier tries may have done."""
    error.state = error.state or state
    return error


def _never_left(error: httpx.TransportError) -> bool:
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def _lower(headers: httpx.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def delay(attempt: int, asked: float) -> float:
    """Seconds before the next try. `asked`: what the server wants, 0 for nothing."""
    if asked:
        return min(asked, LONGEST_WAIT)
    return min(CEILING, FIRST_DELAY * 2.0 ** (attempt - 1)) * (0.5 + random.random() / 2)


async def within(clock: Clock, seconds: float, work: asyncio.Future[Any]) -> bool:
    """Waits for `work`, by that clock and not longer than `seconds`; whether it ended. It is left running."""
    limit = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({work, limit}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        limit.cancel()
    return work.done()

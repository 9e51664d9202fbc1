"""Signed HTTP requests to one S3 endpoint: connection, retries, errors."""

from __future__ import annotations

import copy
import random
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from ephemeral_castle.errors import CastleError, DefinitionInvalid, Permanent, Unreachable
from ephemeral_castle.world import sigv4
from ephemeral_castle.world.s3_answers import Answer, certificate_failure, failure, skew_of

if TYPE_CHECKING:
    from ephemeral_castle.spi.world import Clock

TIMEOUT = 10.0  # seconds, for connecting and for every silence on the line
ATTEMPTS = 5
FIRST_DELAY = 0.2  # seconds; doubled each time, never above the ceiling
CEILING = 3.0

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Endpoint:
    """Where a bucket is reached.

    Attributes:
        url: `https://host[:port]`; plain HTTP is refused.
        bucket: bucket name.
        prefix: key prefix of the castle, without slashes at its ends; "" = the whole bucket.
        region: signing region.
        path_style: whether the bucket stands in the path, or in the host name.
        ca: PEM text of the authority to trust, and no other; "" = the computer's own authorities.
    """

    url: str
    bucket: str
    prefix: str = ""
    region: str = "us-east-1"
    path_style: bool = True
    ca: str = ""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "https" or not parts.hostname or parts.path.strip("/") or parts.query:
            raise DefinitionInvalid(
                f"{self.url} cannot be the endpoint of a treasury",
                hints=("write it as https://HOST or https://HOST:PORT; keys and data never travel in clear",),
            )

    @property
    def host(self) -> str:
        """Host and port of the requests, as the `host` header carries it."""
        netloc = urlsplit(self.url).netloc.removesuffix(":443")
        return netloc if self.path_style else f"{self.bucket}.{netloc}"

    @property
    def bucket_path(self) -> str:
        """Path of the bucket, without a slash at its end."""
        return f"/{self.bucket}" if self.path_style else ""

    def full_key(self, key: str) -> str:
        """The key in the bucket.

        Raises:
            Permanent: the key has a segment that HTTP libraries and servers resolve (`.` or `..`).
        """
        full = f"{self.prefix}/{key}" if self.prefix else key
        if any(segment in (".", "..") for segment in full.split("/")):
            raise Permanent(f"{key!r} cannot be the key of an object", where=self.bucket)
        return full


def _client(ca: str, transport: httpx.AsyncBaseTransport | None) -> httpx.AsyncClient:
    context = ssl.create_default_context(cadata=ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return httpx.AsyncClient(
        verify=context,
        transport=transport,
        timeout=TIMEOUT,
        trust_env=False,  # a proxy of the environment would see names and could hold answers back
        follow_redirects=False,  # a signature is good for one host only
        limits=httpx.Limits(max_connections=32, max_keepalive_connections=32, keepalive_expiry=60),
    )


class S3Client:
    """Signs, sends, tries again. Belongs to one event loop; `close()` it there."""

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: sigv4.Credentials,
        clock: Clock,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        attempts: int = ATTEMPTS,
    ) -> None:
        self.endpoint = endpoint
        self.credentials = credentials
        self.clock = clock
        self.skew: float | None = None  # seconds the server's clock was ahead at the last answer
        self.retries = 0  # tries repeated so far, for reports
        self._attempts = attempts
        self._scope = sigv4.Scope(endpoint.region)
        self._http = _client(endpoint.ca, transport)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    def brief(self, attempts: int = 2) -> S3Client:
        """The same client, over the same connections, with fewer tries."""
        other = copy.copy(self)
        other._attempts = attempts
        return other

    @property
    def where(self) -> str:
        """Server and bucket, for messages."""
        return f"{self.endpoint.bucket} at {urlsplit(self.endpoint.url).netloc}"

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        doing: str,
        expect: Sequence[int] = (),
    ) -> Answer:
        """Sends one request until it has an answer worth having.

        Args:
            method: HTTP method.
            path: path from the host's root, not encoded.
            query: query parameters, not encoded.
            headers: further headers; all are signed.
            body: the whole body.
            doing: what this is for people, like "reading castle.json".
            expect: statuses besides 2xx that are answers, not errors.

        Raises:
            Unreachable: no answer, or 5xx, 429 or a conflict of conditions to the last.
            Denied, NotFound, Conflict, Permanent: as `s3_answers.failure` reads the answer.
        """
        uncertain = False
        for attempt in range(1, self._attempts + 1):
            result = await self._once(method, path, query, headers or {}, body)
            if isinstance(result, Answer) and not _worth_another_try(result):
                if result.ok or result.status in expect:
                    return Answer(result.status, result.headers, result.body, uncertain)
                raise failure(result, doing, self.where, self.clock.now())
            uncertain = uncertain or not _surely_undone(result)
            if attempt == self._attempts:
                raise self._gave_up(result, doing)
            self.retries += 1
            await self.clock.sleep(_delay(attempt))
        raise AssertionError("unreachable: the loop returns or raises")

    async def _once(
        self, method: str, path: str, query: Query, headers: Mapping[str, str], body: bytes
    ) -> Answer | httpx.TransportError:
        raw_path, raw_query = sigv4.encode_path(path), sigv4.encode_query(query)
        request = sigv4.Request(method, raw_path, raw_query, {**headers, "host": self.endpoint.host}, body)
        signed = sigv4.sign(request, self.credentials, self._scope, self.clock.now())
        target = httpx.URL(f"https://{self.endpoint.host}{raw_path}" + (f"?{raw_query}" if raw_query else ""))
        try:
            response = await self._http.request(method, target, headers=signed, content=body)
        except httpx.TransportError as error:
            refused = certificate_failure(error, self.endpoint.host)
            if refused is not None:
                raise refused from error
            return error
        answer = Answer(response.status_code, response.headers, response.content)
        self.skew = skew_of(answer, self.clock.now())
        return answer

    def _gave_up(self, last: Answer | httpx.TransportError, doing: str) -> CastleError:
        if isinstance(last, Answer):
            why = f"HTTP {last.status} {last.code}".strip()
        else:
            why = str(last) or type(last).__name__
        return Unreachable(
            f"{doing} failed: the treasury does not answer",
            where=self.where,
            why=f"{why}, after {self._attempts} tries",
            hints=("castle doctor",),
        )


def _surely_undone(result: Answer | httpx.TransportError) -> bool:
    if isinstance(result, Answer):
        return result.status == 409
    return isinstance(result, httpx.ConnectError | httpx.ConnectTimeout)  # the request never left


def _worth_another_try(answer: Answer) -> bool:
    if answer.status == 409:
        # AWS: a concurrent write or delete interfered with a conditional one; nothing was decided.
        return answer.code in ("ConditionalRequestConflict", "OperationAborted")
    if answer.status == 400:
        return answer.code == "RequestTimeout"  # the server gave up waiting for the body
    return answer.status == 429 or (answer.status >= 500 and answer.status != 501)


def _delay(attempt: int) -> float:
    return min(CEILING, FIRST_DELAY * 2.0 ** (attempt - 1)) * (0.5 + random.random() / 2)

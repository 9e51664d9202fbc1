"""The castle's prefix in an S3 bucket, with conditional writes. Implements `spi.world.Objects`.

Source: Amazon S3 API Reference; "How to prevent object overwrites with conditional writes" for `If-None-Match: *` and
`If-Match` (412: the condition failed; 404 on `If-Match`: the object is gone; 409: try again).

A conditional write whose answer got lost may have been carried out. It is sent again under the same condition; when
that fails, the stored body is compared with ours. Bodies under a condition must therefore differ between writers
(a nonce): equal bodies have equal ETags, and a comparison could not tell whose they are.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Self

from ephemeral_castle.errors import Conflict, Permanent, Unreachable
from ephemeral_castle.spi.world import Clock, Stat
from ephemeral_castle.world.bucket import Bucket
from ephemeral_castle.world.s3 import ATTEMPTS, Endpoint, Query, S3Client
from ephemeral_castle.world.s3_answers import Answer, failure, hidden_etag, http_date, listing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import httpx

    from ephemeral_castle.world.sigv4 import Credentials


class S3Objects(Bucket):
    """Objects under the castle's prefix; the bucket's own switches are inherited from `Bucket`."""

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Credentials,
        clock: Clock,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        attempts: int = ATTEMPTS,
    ) -> None:
        super().__init__(S3Client(endpoint, credentials, clock, transport=transport, attempts=attempts))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self.client.close()

    def _path(self, key: str) -> str:
        return f"{self.endpoint.bucket_path}/{self.endpoint.full_key(key)}"

    async def request(
        self,
        method: str,
        key: str,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """One signed request on an object (or on the bucket, with an empty key); any 4xx but 403 is given back."""
        path = self._path(key) if key else self.endpoint.bucket_path or "/"
        return await self.client.call(
            method,
            path,
            query=query,
            headers=headers,
            body=body,
            doing=f"{method} {key or 'bucket'}",
            expect=(400, 404, 405, 409, 412),
        )

    async def get(self, key: str) -> tuple[bytes, str] | None:
        """See `spi.world.Objects`."""
        return await self._get(key, self.client)

    async def _get(self, key: str, client: S3Client) -> tuple[bytes, str] | None:
        doing = f"reading {key}"
        answer = await client.call("GET", self._path(key), doing=doing, expect=(404,))
        if answer.ok:
            return answer.body, answer.etag
        self._absent(answer, doing)
        return None

    async def head(self, key: str) -> Stat | None:
        """See `spi.world.Objects`."""
        doing = f"looking for {key}"
        answer = await self.client.call("HEAD", self._path(key), doing=doing, expect=(404,))
        if answer.ok:
            size = int(answer.headers.get("content-length", "0"))
            return Stat(key, size, answer.etag, http_date(answer.headers.get("last-modified", "")))
        # An answer to HEAD has no body, so it cannot say whether the object is missing or the whole bucket.
        await self.must_exist(doing)
        return None

    def _absent(self, answer: Answer, doing: str) -> None:
        if answer.code not in ("NoSuchKey", "NoSuchVersion", "MethodNotAllowed"):
            raise failure(answer, doing, self.client.where, self.client.clock.now())

    async def put(self, key: str, body: bytes) -> str:
        """See `spi.world.Objects`."""
        answer = await self.client.call("PUT", self._path(key), body=body, doing=f"writing {key}")
        return answer.etag

    async def create(self, key: str, body: bytes) -> str:
        """See `spi.world.Objects`. `body` must be unlike any other writer's."""
        try:
            return await self._conditional(key, body, {"if-none-match": "*"}, "it exists already")
        except Conflict:
            # versitygw 1.8.0 counts the mark of a deletion as the object, and would refuse its name for ever.
            etag = await self._etag_below_mark(key)
            if etag is None:
                raise
            return await self._conditional(key, body, {"if-match": f'"{etag}"'}, "it exists already")

    async def _etag_below_mark(self, key: str) -> str | None:
        """ETag of the version that the mark of a deletion hides; None when the object is simply there."""
        if await self.head(key) is not None:
            return None
        full = self.endpoint.full_key(key)
        with contextlib.suppress(Permanent):  # the server has no versions, or this key may not see them
            async for page in self._pages([("versions", ""), ("prefix", full)], "listing the versions of"):
                return hidden_etag(page, full)
        return None

    async def swap(self, key: str, body: bytes, etag: str) -> str:
        """See `spi.world.Objects`. `body` must be unlike any other writer's, and unlike the one it replaces."""
        return await self._conditional(key, body, {"if-match": f'"{etag}"'}, "somebody else changed it")

    async def _conditional(self, key: str, body: bytes, condition: Mapping[str, str], why: str) -> str:
        doing = f"writing {key} under a condition"
        try:
            answer = await self.client.call(
                "PUT", self._path(key), headers=condition, body=body, doing=doing, expect=(404, 412)
            )
        except Unreachable:
            settled = await self._is_ours(key, body)
            if settled is None:
                raise
            return settled
        if answer.ok:
            return answer.etag
        if answer.status == 404:
            self._absent(answer, doing)  # a missing bucket is another error
            why = "it was deleted"
        elif answer.uncertain and (settled := await self._is_ours(key, body)):
            return settled
        raise Conflict(f"{doing} failed", where=self.client.where, why=why)

    async def _is_ours(self, key: str, body: bytes) -> str | None:
        try:
            found = await self._get(key, self.client.brief())
        except Unreachable:
            return None
        return found[1] if found is not None and found[0] == body else None

    async def delete(self, key: str) -> None:
        """See `spi.world.Objects`."""
        answer = await self.client.call("DELETE", self._path(key), doing=f"deleting {key}", expect=(404,))
        if not answer.ok:
            self._absent(answer, f"deleting {key}")

    async def list(self, prefix: str) -> AsyncIterator[Stat]:
        """See `spi.world.Objects`."""
        async for page in self._pages([("list-type", "2"), ("prefix", self.endpoint.full_key(prefix))], "listing"):
            for stat in listing(page).objects:
                yield Stat(self._relative(stat.key), stat.size, stat.etag, stat.modified)

    def _relative(self, full: str) -> str:
        return full.removeprefix(f"{self.endpoint.prefix}/") if self.endpoint.prefix else full

    async def _pages(self, query: Query, what: str) -> AsyncIterator[bytes]:
        more: Mapping[str, str] = {}
        while True:
            answer = await self.client.call(
                "GET",
                self.endpoint.bucket_path or "/",
                query=[*query, ("encoding-type", "url"), *more.items()],
                doing=f"{what} {dict(query).get('prefix', '')}",
            )
            yield answer.body
            more = listing(answer.body).more
            if not more:
                return

    async def remove_all(self, prefix: str) -> int:
        """Deletes everything under a prefix with all its versions; gives the number of versions deleted.

        For probes and tests: a bucket with versions forgets nothing by `delete`.

        Raises:
            Conflict: the server kept some of them (object lock, missing rights).
        """
        deleted = 0
        every: list[tuple[str, str]] = []
        query = [("versions", ""), ("prefix", self.endpoint.full_key(prefix))]
        with contextlib.suppress(Permanent):  # the server has no versions, or this key may not see them
            async for page in self._pages(query, "listing the versions of"):
                every.extend(listing(page).versions)
        found = list(dict.fromkeys(every))  # versitygw repeats the last one of a page on the next
        for start in range(0, len(found), 1000):  # the most that one request may name
            await self.delete_versions(found[start : start + 1000])
            deleted += len(found[start : start + 1000])
        if not found:
            async for stat in self.list(prefix):
                await self.delete(stat.key)
                deleted += 1
        return deleted

"""A bucket's own switches: existence, versions, lock, policy, deletion of versions.

Source: Amazon S3 API Reference, operations HeadBucket, CreateBucket, GetBucketVersioning, PutBucketVersioning,
GetObjectLockConfiguration, GetBucketPolicy, PutBucketPolicy, DeleteBucketPolicy, DeleteObjects.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from ephemeral_castle.errors import Conflict, NotFound
from ephemeral_castle.world.s3_answers import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ephemeral_castle.world.s3 import S3Client

_XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def _md5(body: bytes) -> dict[str, str]:
    # RFC 1864; S3 demands it where a damaged body would delete or open up the wrong things.
    return {"content-md5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()}


class Bucket:
    """The bucket of an endpoint. What needs the custodian's key says so by Denied."""

    def __init__(self, client: S3Client) -> None:
        self.client = client
        self.endpoint = client.endpoint
        self._path_of_bucket = client.endpoint.bucket_path or "/"

    async def exists(self) -> bool:
        """Whether the bucket exists; Denied when it is somebody else's."""
        answer = await self.client.call("HEAD", self._path_of_bucket, doing="looking for the bucket", expect=(404,))
        return answer.ok

    async def must_exist(self, doing: str) -> None:
        """Raises NotFound when the bucket is missing."""
        if not await self.exists():
            raise NotFound(
                f"{doing} failed",
                where=self.client.where,
                why=f"the bucket {self.endpoint.bucket} does not exist at this endpoint",
                hints=("check `treasury.url` and `treasury.endpoint`",),
            )

    async def ensure_bucket(self, *, object_lock: bool = False) -> bool:
        """Creates the bucket when it is missing; gives whether it did.

        Args:
            object_lock: let objects be locked later; only possible while the bucket is being created.
        """
        if await self.exists():
            return False
        headers = {"x-amz-bucket-object-lock-enabled": "true"} if object_lock else {}
        region = self.endpoint.region
        body = b""
        if region != "us-east-1":  # the one region that must not be named
            body = (
                f"<CreateBucketConfiguration {_XMLNS}><LocationConstraint>{escape(region)}</LocationConstraint>"
                "</CreateBucketConfiguration>"
            ).encode()
        answer = await self.client.call(
            "PUT", self._path_of_bucket, headers=headers, body=body, doing="creating the bucket", expect=(409,)
        )
        if answer.status == 409 and answer.code != "BucketAlreadyOwnedByYou":
            raise Conflict(
                f"the bucket {self.endpoint.bucket} cannot be created", where=self.client.where, why=answer.code
            )
        return answer.ok

    async def versioning(self) -> bool:
        """Whether the bucket keeps every version."""
        answer = await self.client.call(
            "GET", self._path_of_bucket, query=[("versioning", "")], doing="reading the versioning", expect=(400, 501)
        )
        return answer.ok and parse(answer.body, "the treasury").findtext("Status") == "Enabled"

    async def enable_versioning(self) -> None:
        """Makes the bucket keep every version from now on."""
        body = f"<VersioningConfiguration {_XMLNS}><Status>Enabled</Status></VersioningConfiguration>".encode()
        await self.client.call(
            "PUT",
            self._path_of_bucket,
            query=[("versioning", "")],
            headers=_md5(body),
            body=body,
            doing="turning versions on",
        )

    async def object_lock(self) -> bool:
        """Whether objects of the bucket can be locked against deletion."""
        answer = await self.client.call(
            "GET",
            self._path_of_bucket,
            query=[("object-lock", "")],
            doing="reading the object lock",
            expect=(400, 404, 405, 501),
        )
        return answer.ok and parse(answer.body, "the treasury").findtext("ObjectLockEnabled") == "Enabled"

    async def policy(self) -> str:
        """The bucket policy as JSON text, "" when there is none."""
        answer = await self.client.call(
            "GET", self._path_of_bucket, query=[("policy", "")], doing="reading the bucket policy", expect=(404,)
        )
        if not answer.ok and answer.code != "NoSuchBucketPolicy":
            await self.must_exist("reading the bucket policy")
        return answer.body.decode() if answer.ok else ""

    async def put_policy(self, text: str) -> None:
        """Replaces the bucket policy; "" removes it.

        Raises:
            Permanent: the server does not accept the text; `why` says what is wrong in it.
        """
        body = text.encode()
        await self.client.call(
            "PUT" if text else "DELETE",
            self._path_of_bucket,
            query=[("policy", "")],
            headers=_md5(body) if text else {},
            body=body,
            doing="writing the bucket policy",
        )

    async def delete_versions(self, versions: Sequence[tuple[str, str]]) -> None:
        """Deletes versions for good.

        Args:
            versions: full key and version id; at most 1,000.

        Raises:
            Conflict: the server kept some of them.
        """
        items = "".join(
            f"<Object><Key>{escape(key)}</Key><VersionId>{escape(version)}</VersionId></Object>"
            for key, version in versions
        )
        body = f"<Delete {_XMLNS}><Quiet>true</Quiet>{items}</Delete>".encode()
        answer = await self.client.call(
            "POST",
            self._path_of_bucket,
            query=[("delete", "")],
            headers=_md5(body),
            body=body,
            doing="deleting versions",
        )
        kept = parse(answer.body, "the treasury").findall("Error")
        if kept:
            first = kept[0]
            raise Conflict(
                f"{len(kept)} of {len(versions)} versions were not deleted",
                where=self.client.where,
                why=f"{first.findtext('Code', '')} for {first.findtext('Key', '')}",
            )

"""Who may do what in the treasury's bucket, as a bucket policy. Pure.

Source: Amazon S3 User Guide, "Policies and permissions in Amazon S3"; versitygw 1.8.0 auth/bucket_policy*.go, which
names principals by access key, refuses a policy that names an account that does not exist, and keeps the policy in an
extended attribute of the bucket's directory: on ext4 about 4 kB. Accounts with equal rights therefore share statements.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ephemeral_castle.errors import Permanent

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ephemeral_castle.spi.world import Rights

_ARN = "arn:aws:s3:::"
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*")  # above all no wildcards of the policy language


@dataclass(frozen=True)
class Grant:
    """Actions on patterns of one bucket. `patterns`: keys with `*`; none = the bucket itself."""

    actions: tuple[str, ...]
    patterns: tuple[str, ...] = ()

    def statement(self, bucket: str, names: Collection[str]) -> dict[str, Any]:
        """The statement that allows it to the named accounts."""
        resources = [f"{_ARN}{bucket}/{pattern}" for pattern in self.patterns] or [f"{_ARN}{bucket}"]
        return {
            "Effect": "Allow",
            "Principal": {"AWS": sorted(names)},
            "Action": [f"s3:{action}" for action in self.actions],
            "Resource": resources,
        }


def _checked(path: str) -> str:
    if not _PLAIN_PATH.fullmatch(path) or any(part in (".", "..") for part in path.split("/")):
        raise Permanent(f"{path!r} cannot stand in a bucket policy", why="letters, digits and - _ . = / only")
    return path


def _pattern(key: str) -> str:
    """A key in which whole names may be `*`."""
    _checked("/".join("any" if part == "*" else part for part in key.split("/")))
    return key


def writer_grants(prefix: str, rights: Sequence[Rights]) -> tuple[Grant, ...]:
    """What a life's own writer may do: read and write its repositories, delete nothing but what is replaced there.

    A program that expires or forgets backups must fail with it.

    Args:
        prefix: of the castle, "" for the whole bucket.
        rights: of each treasure, relative to the prefix.
    """
    base = f"{_checked(prefix)}/" if prefix else ""
    kept = [f"{base}{_checked(folder.strip('/'))}/*" for right in rights for folder in right.keeps]
    replaced = [f"{base}{_pattern(key)}" for right in rights for key in right.replaces]
    grants = [Grant(("ListBucket",))]
    if kept:
        grants.append(Grant(("GetObject", "PutObject", "AbortMultipartUpload"), tuple(kept)))
    if replaced:
        grants.append(Grant(("DeleteObject",), tuple(replaced)))
    return tuple(grants)


def reader_grants(repository: str) -> tuple[Grant, ...]:
    """What proofs and drills may do: list, and read under the repositories' common path."""
    return (Grant(("ListBucket",)), Grant(("GetObject",), (f"{_checked(repository)}/*",)))


def keeper_grants(repository: str) -> tuple[Grant, ...]:
    """What expires old backups: read and write the repositories, and delete there (never a version)."""
    actions = ("GetObject", "PutObject", "AbortMultipartUpload", "DeleteObject")
    return (Grant(("ListBucket",)), Grant(actions, (f"{_checked(repository)}/*",)))


def _principals(statement: dict[str, Any]) -> list[str] | None:
    principal = statement.get("Principal")
    named = principal.get("AWS") if isinstance(principal, dict) else principal
    if named == "*" or named is None:
        return None  # everybody, or a form that is not ours: left as it is
    return [named] if isinstance(named, str) else list(named)


def _rights(statement: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in statement.items() if key != "Principal"}, sort_keys=True)


def same(one: str, other: str) -> bool:
    """Whether two policies say the same, in whatever order: rewriting moves an account's statements."""

    def told(text: str) -> list[str]:
        statements: list[dict[str, Any]] = list(json.loads(text)["Statement"]) if text else []
        return sorted(f"{_rights(statement)} {sorted(_principals(statement) or ['*'])}" for statement in statements)

    return told(one) == told(other)


def rewrite(text: str, bucket: str, name: str, grants: Sequence[Grant], living: Collection[str]) -> str:
    """The policy in which `name` has exactly these grants and nobody who is gone has any.

    Args:
        text: the policy as it stands; "" = none.
        bucket: bucket name.
        name: the account to set; with no grants it loses all.
        grants: its rights from now on.
        living: accounts that exist; all others are dropped, since the server refuses a policy that names them.

    Returns:
        The new policy, "" when nothing is left of it. Statements of others stay as they are.
    """
    statements: list[dict[str, Any]] = list(json.loads(text)["Statement"]) if text else []
    kept: list[dict[str, Any]] = []
    for statement in statements:
        names = _principals(statement)
        if names is None:
            kept.append(statement)
        elif remaining := sorted(other for other in names if other != name and other in living):
            kept.append({**statement, "Principal": {"AWS": remaining}})
    for grant in grants:
        new = grant.statement(bucket, [name])
        same = next((s for s in kept if _rights(s) == _rights(new) and _principals(s) is not None), None)
        if same is None:
            kept.append(new)
        else:
            same["Principal"] = {"AWS": sorted({*(_principals(same) or ()), name})}
    if not kept:
        return ""
    return json.dumps({"Version": "2012-10-17", "Statement": kept}, separators=(",", ":"))

"""What `pgbackrest info --output=json` says, as data.

The command exits 0 with wrong credentials, a missing bucket, a wrong pass or a dead server: only the status code of
each repository tells. Reference: https://pgbackrest.org/command.html#command-info and `src/command/info/info.c`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from ephemeral_castle.errors import Damaged
from ephemeral_castle.postgres.causes import REASONS, Cause, classify, printable
from ephemeral_castle.postgres.lsn import Lsn


class StatusCode(IntEnum):
    """Codes of `status.code`. Only NO_STANZA and NO_BACKUP may ever lead towards a new repository."""

    OK = 0
    NO_STANZA = 1  # new, or a wrong path
    NO_BACKUP = 2
    NO_STANZA_DATA = 3  # the stanza's directory without its info files
    MIXED = 4
    DATABASE_MISMATCH = 5
    BACKUP_NOT_FOUND = 6
    OTHER = 99


MEANINGS = {
    StatusCode.OK: "ok",
    StatusCode.NO_STANZA: "nothing is known under this path and stanza",
    StatusCode.NO_BACKUP: "the stanza exists, but holds no valid backup",
    StatusCode.NO_STANZA_DATA: "the stanza's directory exists, but its info files are missing",
    StatusCode.MIXED: "the repositories are in different states",
    StatusCode.DATABASE_MISMATCH: "the repositories belong to different database clusters",
    StatusCode.BACKUP_NOT_FOUND: "the requested backup does not exist",
    StatusCode.OTHER: "the repository cannot be read",
}


@dataclass(frozen=True)
class Status:
    """A status as reported. `code` may be a number newer than this table; `known` is OTHER then."""

    code: int
    message: str = ""

    @property
    def known(self) -> StatusCode:
        """The code; every number that is not in the table counts as unreadable."""
        try:
            return StatusCode(self.code)
        except ValueError:
            return StatusCode.OTHER

    @property
    def cause(self) -> Cause:
        """What stands in the way; NONE unless the repository could not be read."""
        return classify(self.message) if self.known is StatusCode.OTHER else Cause.NONE

    @property
    def explanation(self) -> str:
        """One sentence part for people, with the vendor's own words where the cause is not in the code."""
        if self.known is not StatusCode.OTHER:
            return MEANINGS[self.known]
        said = printable(self.message)
        return f"{REASONS[self.cause]} ({said})" if said else REASONS[self.cause]


@dataclass(frozen=True)
class RepoStatus:
    """One repository. `key`: its number in the configuration (repo1 is 1)."""

    key: int
    cipher: str
    status: Status


@dataclass(frozen=True)
class Database:
    """A database cluster that archived here. `id` grows only by `stanza-upgrade`."""

    id: int
    repo_key: int
    system_id: int
    version: str


@dataclass(frozen=True)
class Archive:
    """WAL of one database cluster: first and last segment name, which say nothing about holes between them."""

    id: str
    database_id: int
    repo_key: int
    min: str | None
    max: str | None


@dataclass(frozen=True)
class Backup:
    """One backup set.

    Attributes:
        label: name of the set.
        type: "full", "diff" or "incr".
        prior: label it builds on, None for a full one.
        reference: all labels whose files it needs.
        error: page checksum errors were found while it was taken; None where that was not checked.
        start, stop: Unix seconds by the clock of the database host.
        archive_start, archive_stop: WAL segments that make it consistent; None for offline backups.
        lsn_start, lsn_stop: the same as positions.
        database_id, repo_key: whose backup it is, and where it lies.
        size: bytes of the cluster; repo_size: bytes in the repository including referenced sets, None if not told.
        annotations: what `--annotation` stored.
    """

    label: str
    type: str
    prior: str | None
    reference: tuple[str, ...]
    error: bool | None
    start: int
    stop: int
    archive_start: str | None
    archive_stop: str | None
    lsn_start: Lsn | None
    lsn_stop: Lsn | None
    database_id: int
    repo_key: int
    size: int
    repo_size: int | None
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RepoInfo:
    """One stanza as seen through all repositories of the configuration."""

    stanza: str
    status: Status
    repos: tuple[RepoStatus, ...]
    databases: tuple[Database, ...]
    archives: tuple[Archive, ...]
    backups: tuple[Backup, ...]
    backup_running: bool = False

    def only(self, key: int) -> RepoInfo:
        """The part that belongs to one repository; its own status becomes the status.

        Args:
            key: number of the repository.

        Raises:
            KeyError: that repository was not in the answer.
        """
        for repo in self.repos:
            if repo.key == key:
                return replace(
                    self,
                    status=repo.status,
                    repos=(repo,),
                    databases=tuple(d for d in self.databases if d.repo_key == key),
                    archives=tuple(a for a in self.archives if a.repo_key == key),
                    backups=tuple(b for b in self.backups if b.repo_key == key),
                )
        raise KeyError(key)

    def backup(self, label: str) -> Backup | None:
        """The set of that label, or None."""
        return next((backup for backup in self.backups if backup.label == label), None)

    def newest(self, database_id: int | None = None) -> Backup | None:
        """The set that ended last (of one database cluster), or None."""
        sets = [b for b in self.backups if database_id is None or b.database_id == database_id]
        return max(sets, key=lambda b: (b.stop, b.label), default=None)


def parse_info(output: bytes | str, stanza: str) -> RepoInfo:
    """Reads the answer of `pgbackrest --stanza=S info --output=json`.

    Undecrypted bytes in messages and log lines before the list are tolerated.

    Args:
        output: standard output of the command.
        stanza: the stanza that was asked for.

    Raises:
        Damaged: the answer is not a list with this stanza; what is there is then unknown, not absent.
    """
    text = output.decode("utf-8", errors="replace") if isinstance(output, bytes) else output
    for candidate in _lists(text):
        for entry in candidate:
            if isinstance(entry, dict) and entry.get("name") == stanza:
                try:
                    return _stanza(entry)
                except (KeyError, TypeError, ValueError) as error:
                    raise Damaged(
                        "the answer of pgbackrest info is incomplete",
                        where=f"stanza {stanza}",
                        why=f"{type(error).__name__}: {printable(str(error))}",
                        state="what the repository holds is unknown; nothing was changed",
                        hints=("compare the pgBackRest version with docs/reference/systems.md", "castle doctor"),
                    ) from error
    raise Damaged(
        "pgbackrest info gave no usable answer",
        where=f"stanza {stanza}",
        why=f"no JSON list with this stanza in it: {printable(text) or 'empty output'}",
        state="what the repository holds is unknown; nothing was changed",
        hints=("castle doctor",),
    )


def _lists(text: str) -> Iterator[list[Any]]:
    # strict=False: messages carry raw control characters when the pass is wrong
    decoder = json.JSONDecoder(strict=False)
    position = text.find("[")
    while position >= 0:
        try:
            value, _end = decoder.raw_decode(text, position)
        except ValueError:
            value = None
        except RecursionError:
            return
        if isinstance(value, list):
            yield value
        position = text.find("[", position + 1)


def _stanza(raw: Mapping[str, Any]) -> RepoInfo:
    lock = (raw["status"].get("lock") or {}).get("backup") or {}
    return RepoInfo(
        stanza=str(raw["name"]),
        status=_status(raw["status"]),
        repos=tuple(
            RepoStatus(int(repo["key"]), str(repo.get("cipher", "")), _status(repo["status"]))
            for repo in raw.get("repo") or ()
        ),
        databases=tuple(
            Database(int(d["id"]), int(d.get("repo-key", 1)), int(d["system-id"]), str(d["version"]))
            for d in raw.get("db") or ()
        ),
        archives=tuple(_archive(archive) for archive in raw.get("archive") or ()),
        backups=tuple(_backup(backup) for backup in raw.get("backup") or ()),
        backup_running=bool(lock.get("held", False)),
    )


def _status(raw: Mapping[str, Any]) -> Status:
    return Status(int(raw["code"]), str(raw.get("message", "")))


def _archive(raw: Mapping[str, Any]) -> Archive:
    database = raw.get("database") or {}
    return Archive(
        id=str(raw["id"]),
        database_id=int(database.get("id", 0)),
        repo_key=int(database.get("repo-key", 1)),
        min=raw.get("min"),
        max=raw.get("max"),
    )


def _backup(raw: Mapping[str, Any]) -> Backup:
    archive, lsn, info = raw.get("archive") or {}, raw.get("lsn") or {}, raw.get("info") or {}
    size = (info.get("repository") or {}).get("size")
    return Backup(
        label=str(raw["label"]),
        type=str(raw["type"]),
        prior=raw.get("prior"),
        reference=tuple(raw.get("reference") or ()),
        error=raw.get("error"),
        start=int(raw["timestamp"]["start"]),
        stop=int(raw["timestamp"]["stop"]),
        archive_start=archive.get("start"),
        archive_stop=archive.get("stop"),
        lsn_start=Lsn.parse(lsn["start"]) if lsn.get("start") else None,
        lsn_stop=Lsn.parse(lsn["stop"]) if lsn.get("stop") else None,
        database_id=int(raw["database"]["id"]),
        repo_key=int(raw["database"].get("repo-key", 1)),
        size=int(info.get("size", 0)),
        repo_size=None if size is None else int(size),
        annotations={str(k): str(v) for k, v in (raw.get("annotation") or {}).items()},
    )

"""Renders pgbackrest.conf.

Secrets on pgBackRest's command line are refused by it, and a container's environment ends up on disk, so they stand in
this file: the caller treats the whole text as a secret and delivers it into memory-backed storage, mode 0600.
Reference: https://pgbackrest.org/configuration.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Access(StrEnum):
    """Who reads the file."""

    WRITER = "writer"  # the living server: archives and backs up, never expires
    READER = "reader"  # proofs and drills: restore and look, nothing is ever pushed
    KEEPER = "keeper"  # expires old backups, nothing else


def checked(what: str, value: str) -> str:
    """A value for one line of an ini file, unchanged.

    Raises:
        ValueError: empty, with a line break or other control character, or with blanks at its ends.
    """
    # The value itself is not quoted in the message: it may be a secret.
    if not value or value != value.strip() or any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise ValueError(f"{what} must be one line without blanks at its ends")
    return value


def checked_path(what: str, value: str) -> str:
    """An absolute path for one line.

    Raises:
        ValueError: not absolute, or with `..`.
    """
    if not checked(what, value).startswith("/") or ".." in value.split("/"):
        raise ValueError(f"{what} must be an absolute path without '..', not {value!r}")
    return value


def checked_name(what: str, value: str) -> str:
    """A name of letters, digits, `_`, `.`, `-`.

    Raises:
        ValueError: other characters.
    """
    if not _NAME.fullmatch(value):
        raise ValueError(f"{what} may hold letters, digits, '_', '.' and '-', not {value!r}")
    return value


@dataclass(frozen=True)
class S3Repository:
    """repo1: an encrypted repository in S3.

    Attributes:
        path: absolute path of the repository inside the bucket.
        host, port: where the server answers, as seen from the machine that reads the file.
        key, key_secret: access key of this identity. cipher_pass: the pass *is* the data; it cannot be changed later.
        ca_file: path of a CA certificate on that machine, "" for the system's.
        retention_full: full backups that a keeper leaves.
    """

    bucket: str
    region: str
    host: str
    port: int
    path: str
    key: str
    key_secret: str
    cipher_pass: str
    path_style: bool = True
    ca_file: str = ""
    retention_full: int = 4

    def __repr__(self) -> str:
        return f"S3Repository(bucket={self.bucket!r}, path={self.path!r}, host={self.host!r})"

    def lines(self) -> list[str]:
        """Options of repo1."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        lines = [
            "repo1-type=s3",
            f"repo1-path={checked_path('the repository path', self.path)}",
            f"repo1-s3-bucket={checked_name('the bucket', self.bucket)}",
            f"repo1-s3-region={checked_name('the region', self.region)}",
            f"repo1-s3-endpoint={checked('the endpoint', host)}",
            f"repo1-s3-uri-style={'path' if self.path_style else 'host'}",
            "repo1-s3-key-type=shared",
            f"repo1-s3-key={checked('the access key', self.key)}",
            f"repo1-s3-key-secret={checked('the secret key', self.key_secret)}",
            f"repo1-storage-port={_port(self.port)}",
            "repo1-storage-verify-tls=y",
            "repo1-cipher-type=aes-256-cbc",
            f"repo1-cipher-pass={checked('the cipher pass', self.cipher_pass)}",
            "repo1-bundle=y",
            f"repo1-retention-full={_positive('retention', self.retention_full)}",
        ]
        if self.ca_file:
            lines.append(f"repo1-storage-ca-file={checked_path('the CA file', self.ca_file)}")
        return lines


@dataclass(frozen=True)
class LocalRepository:
    """repo2: an encrypted repository on a local volume, for logical errors; it dies with the machine."""

    path: str
    cipher_pass: str
    retention_full: int = 2

    def __repr__(self) -> str:
        return f"LocalRepository(path={self.path!r})"

    def lines(self) -> list[str]:
        """Options of repo2."""
        return [
            "repo2-type=posix",
            f"repo2-path={checked_path('the repository path', self.path)}",
            "repo2-cipher-type=aes-256-cbc",
            f"repo2-cipher-pass={checked('the cipher pass', self.cipher_pass)}",
            "repo2-bundle=y",
            f"repo2-retention-full={_positive('retention', self.retention_full)}",
        ]


@dataclass(frozen=True)
class PgBackRest:
    """What pgbackrest.conf is made of.

    Attributes:
        stanza: name of the stanza.
        data: absolute path of the data directory.
        socket: directory of PostgreSQL's socket. port: of PostgreSQL.
        access: who reads the file.
        s3: repo1. local: repo2, or None; only a writer has one.
        spool: directory for asynchronous archiving; it must die with the life, or its `.ok` files would lie.
        lock: directory of lock files.
        user: superuser for backups.
        process_max: workers; as many as there are cores.
        async_push, async_get: asynchrony per direction. Push pays under load and costs 0.3 s at a switch; get pays
            for a long replay only, and delays a promotion.
        archive_timeout: seconds until a push counts as failed. io_timeout: seconds; retries multiply it.
        log_path: directory for log files, "" for none.
    """

    stanza: str
    data: str
    s3: S3Repository
    access: Access = Access.WRITER
    local: LocalRepository | None = None
    socket: str = "/var/run/postgresql"
    port: int = 5432
    spool: str = "/var/spool/pgbackrest"
    lock: str = "/tmp/pgbackrest"  # noqa: S108 - the vendor's own default; callers give a private one
    user: str = "postgres"
    process_max: int = 2
    async_push: bool = True
    async_get: bool = False
    archive_timeout: int = 60
    io_timeout: int = 20
    log_path: str = ""


def render_pgbackrest(options: PgBackRest) -> str:
    """The text of pgbackrest.conf; treat it as a secret.

    Raises:
        ValueError: a value does not fit its option, or a reader or keeper was given repo2.
    """
    if options.local is not None and options.access is not Access.WRITER:
        raise ValueError("only the writer's host has the local repository")
    sections = [
        ("global", _global(options)),
        (checked_name("the stanza", options.stanza), _stanza(options)),
    ]
    if options.access is Access.WRITER:
        sections += [
            ("global:archive-push", [f"archive-async={_flag(on=options.async_push)}"]),
            ("global:archive-get", [f"archive-async={_flag(on=options.async_get)}"]),
            # A writer may not delete; expiring inside `backup` would fail it.
            ("global:backup", ["expire-auto=n"]),
        ]
    elif options.access is Access.READER:
        # A copy must never push: a restore takes archive_mode from here, and get must not need a spool.
        sections += [
            ("global:restore", ["archive-mode=off"]),
            ("global:archive-get", [f"archive-async={_flag(on=options.async_get)}"]),
        ]
    return "\n\n".join("\n".join([f"[{name}]", *lines]) for name, lines in sections) + "\n"


def _global(options: PgBackRest) -> list[str]:
    lines = options.s3.lines()
    if options.local is not None:
        lines += options.local.lines()
    lines += [
        "compress-type=zst",
        "compress-level=1",
        f"process-max={_positive('process_max', options.process_max)}",
        "start-fast=y",
        f"archive-timeout={_positive('archive_timeout', options.archive_timeout)}",
        f"io-timeout={_positive('io_timeout', options.io_timeout)}",
        f"lock-path={checked_path('the lock directory', options.lock)}",
        f"spool-path={checked_path('the spool directory', options.spool)}",
        # Standard output carries JSON; causes come on standard error.
        "log-level-console=off",
        "log-level-stderr=warn",
    ]
    if options.log_path:
        return [*lines, "log-level-file=info", f"log-path={checked_path('the log directory', options.log_path)}"]
    return [*lines, "log-level-file=off"]


def _stanza(options: PgBackRest) -> list[str]:
    return [
        f"pg1-path={checked_path('the data directory', options.data)}",
        f"pg1-port={_port(options.port)}",
        f"pg1-socket-path={checked_path('the socket directory', options.socket)}",
        f"pg1-user={checked_name('the user', options.user)}",
    ]


def _flag(*, on: bool) -> str:
    return "y" if on else "n"


def _port(value: int) -> int:
    if not 0 < value < 65536:
        raise ValueError(f"a port lies between 1 and 65535, not at {value}")
    return value


def _positive(what: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{what} must be at least 1, not {value}")
    return value

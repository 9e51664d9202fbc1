"""What the exit codes of pgBackRest mean.

Numbers from the vendor's `src/build/error/error.yaml`; the same code can mean different things per command.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ephemeral_castle.errors import (
    CastleError,
    Damaged,
    Denied,
    NotFound,
    Permanent,
    Refused,
    Transient,
    Unreachable,
)
from ephemeral_castle.postgres.causes import REASONS, Cause, classify, printable


@dataclass(frozen=True)
class Meaning:
    """One exit code: the error it becomes, its cause, and what to do; the last hint is the next command."""

    error: type[CastleError]
    why: str
    hints: tuple[str, ...] = ("castle doctor",)


_FOREIGN = "castle stops here: two clusters on one stanza destroy each other's history"
_VAULT = "compare the secret that the definition names with the one on the card (`castle card`)"

_CODES: dict[int, Meaning] = {
    26: Meaning(Damaged, "a checksum does not match"),
    27: Meaning(Permanent, "the pgBackRest configuration is invalid"),
    28: Meaning(Refused, "the repository belongs to another database cluster", (_FOREIGN, "castle status")),
    29: Meaning(Damaged, "an info file or manifest cannot be decrypted, or is damaged", (_VAULT, "castle doctor")),
    31: Meaning(Permanent, "pgBackRest does not accept an option here (secrets are refused on the command line)"),
    32: Meaning(Permanent, "an option of pgBackRest has an invalid value"),
    33: Meaning(Permanent, "an option of pgBackRest is out of its range"),
    37: Meaning(Permanent, "pgBackRest needs an option that is not set"),
    38: Meaning(Refused, "PostgreSQL runs on this directory", ("stop the server first", "castle status")),
    39: Meaning(Permanent, "the other side broke or refused the conversation"),
    40: Meaning(Refused, "the target directory is not empty", ("nothing in it was deleted", "castle status")),
    41: Meaning(Permanent, "a file cannot be opened"),
    42: Meaning(Unreachable, "the connection was cut in the middle of an object"),
    44: Meaning(Refused, "WAL of another database cluster was pushed", (_FOREIGN, "castle status")),
    45: Meaning(
        Refused,
        "the archive holds a segment of this name with other content: two servers of one history are alive",
        ("find and stop the other server before anything else", "castle status"),
    ),
    47: Meaning(Permanent, "a directory cannot be created"),
    49: Meaning(Unreachable, "the repository does not answer"),
    50: Meaning(Transient, "another pgBackRest command holds the lock of this stanza"),
    51: Meaning(Refused, "the repository's backups belong to another database cluster", (_FOREIGN, "castle status")),
    55: Meaning(
        Damaged,
        "an object that must be there is missing",
        ("older versions of it may still be in the bucket, if versioning is on", "castle doctor"),
    ),
    56: Meaning(Unreachable, "no primary server of this cluster answers"),
    57: Meaning(Permanent, "PostgreSQL refused a query of pgBackRest"),
    58: Meaning(
        Refused,
        "the running server and the data directory differ in cluster or timeline",
        ("after a promotion pg_control follows at the first checkpoint: run CHECKPOINT", "castle status"),
    ),
    62: Meaning(Permanent, "pgBackRest was stopped on this host by `pgbackrest stop`", ("pgbackrest start",)),
    63: Meaning(Transient, "pgBackRest was ended by a signal"),
    64: Meaning(Permanent, "a file cannot be written; most often the disk is full", ("df -h", "castle status")),
    66: Meaning(Unreachable, "a pgBackRest process stopped answering"),
    68: Meaning(Permanent, "archive_command does not call pgBackRest"),
    73: Meaning(NotFound, "a directory does not exist"),
    75: Meaning(Permanent, "no usable backup set was found"),
    82: Meaning(
        Transient,
        "a WAL segment did not arrive in the archive in time",
        ("see failed_count and last_failed_wal in pg_stat_archiver", "castle status"),
    ),
    87: Meaning(Permanent, "archive_mode is off"),
    95: Meaning(Damaged, "decryption failed: cipher pass, certificate, or a truncated object"),
    101: Meaning(Unreachable, "the S3 service kept failing until pgBackRest gave up"),
    102: Meaning(Permanent, "a child process of pgBackRest cannot be started"),
    103: Meaning(Permanent, "no repository could be used"),
    104: Meaning(Permanent, "one or more parts of the command failed"),
    126: Meaning(Permanent, "pgbackrest cannot be executed"),
    127: Meaning(Permanent, "pgbackrest is not installed here"),
}

# For these the number says little more than "trouble with the repository"; the text has the cause.
_VAGUE = frozenset({39, 41, 75, 95, 103, 104})
_BY_TEXT = _VAGUE | {26, 29, 42, 49, 55, 64, 101}
_INFO_FILE = re.compile(r"(backup|archive)\.info")

_CAUSES: dict[Cause, Meaning] = {
    Cause.WRONG_PASS: Meaning(Damaged, REASONS[Cause.WRONG_PASS], (_VAULT, "castle doctor")),
    Cause.DENIED: Meaning(Denied, REASONS[Cause.DENIED], (_VAULT, "castle doctor")),
    Cause.CLOCK: Meaning(Denied, REASONS[Cause.CLOCK], ("timedatectl status",)),
    Cause.NOT_FOUND: Meaning(NotFound, REASONS[Cause.NOT_FOUND], ("check endpoint and bucket", "castle doctor")),
    Cause.TLS: Meaning(Denied, REASONS[Cause.TLS], ("check `treasury.ca` and the certificate", "castle doctor")),
    Cause.UNREACHABLE: Meaning(Unreachable, REASONS[Cause.UNREACHABLE]),
    Cause.BUSY: Meaning(Transient, REASONS[Cause.BUSY]),
    Cause.NO_SPACE: Meaning(Permanent, REASONS[Cause.NO_SPACE], ("df -h", "castle status")),
    Cause.DAMAGED: Meaning(Damaged, REASONS[Cause.DAMAGED]),
    Cause.MISSING: Meaning(NotFound, REASONS[Cause.MISSING], ("compare bucket, path and stanza", "castle status")),
}

# Reading objects of a repository whose info files did open: a broken cipher stream is a broken object, not the pass.
_READS_SETS = frozenset({"restore", "verify", "archive-get"})


def explain(code: int, stderr: str, command: str, *, where: str = "") -> CastleError:
    """The error that a failed pgBackRest command becomes.

    Args:
        code: exit code, not 0; negative or above 128 when a signal ended it.
        stderr: what it printed; never holds secrets (pgBackRest redacts them) but may hold undecrypted bytes.
        command: pgBackRest's word: "restore", "backup", "stanza-create"...
        where: layer, repository or host.

    Returns:
        An error to raise: Transient kinds may be repeated, Refused and Permanent ones must not.
    """
    meaning = _meaning(code, stderr, command)
    said = _said(stderr)
    return meaning.error(
        f"pgbackrest {command} failed with exit code {code}",
        where=where,
        why=f"{meaning.why} ({said})" if said else meaning.why,
        state=_STATES.get(command, ""),
        hints=meaning.hints,
    )


_STATES = {
    "restore": "the data directory is incomplete and cannot start (pg_control is written last)",
    "info": "nothing was changed",
    "verify": "nothing was changed",
    "check": "nothing was changed",
    "backup": "earlier backups are as they were",
    "stanza-create": "existing backups are as they were",
    "archive-push": "PostgreSQL keeps the segment and tries again",
}


def _meaning(code: int, stderr: str, command: str) -> Meaning:
    if command == "archive-get" and code == 1:
        return Meaning(NotFound, "the archive does not hold this file")
    if code < 0 or 128 < code < 160:
        number = -code if code < 0 else code - 128
        return Meaning(Transient, f"the command was ended by signal {number}")
    if command == "stanza-create" and code == 40:
        return Meaning(
            Damaged,
            "the path holds objects, but the info files that describe them are gone",
            ("restore backup.info and archive.info from older versions in the bucket", "castle doctor"),
        )
    if code in _BY_TEXT:
        cause = classify(stderr)
        if cause is Cause.WRONG_PASS and command in _READS_SETS and not _INFO_FILE.search(stderr):
            cause = Cause.DAMAGED
        if cause in _CAUSES and (code in _VAGUE or cause not in {Cause.DAMAGED, Cause.MISSING}):
            return _CAUSES[cause]
    return _CODES.get(code, Meaning(Permanent, f"exit code {code} is not in castle's table"))


def _said(stderr: str) -> str:
    # The cause of `restore` stands in WARN lines, the summary in ERROR lines.
    lines = [line for line in stderr.splitlines() if line.strip()]
    warned = [line for line in lines if re.search(r"\bWARN\b", line) and classify(line) is not Cause.OTHER]
    errors = [line for line in lines if "ERROR" in line]
    for group in (warned, errors, lines):
        if group:
            return printable(re.sub(r"^.*?\b(WARN|ERROR):\s*(\[\d+\]:\s*)?", "", group[0]))
    return ""

"""What git, ssh and curl say when a repository cannot be had, put into words. Pure.

The patterns are texts of git 2.39, OpenSSH 9.2 and curl 7.88 with `LC_ALL=C`; what matches none is repeated as it is.
"""

from __future__ import annotations

import re

from ephemeral_castle.errors import CastleError, Damaged, Denied, NotFound, Permanent, Refused, Unreachable

_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_NOISE = re.compile(
    r"^(fatal: Could not read from remote|Please make sure you have|and the repository exists|$|@|hint: )"
)

_HOST_KEY = re.compile(
    r"host key verification failed|remote host identification has changed|no matching host key", re.IGNORECASE
)
_FOREIGN = re.compile(r"dubious ownership")
_TLS = re.compile(r"certificate|ssl_error|gnutls_handshake|tls handshake", re.IGNORECASE)
_DENIED = re.compile(
    r"permission denied|authentication failed|could not read (username|password)|access denied|error: 40[13]|"
    r"invalid credentials|too many authentication failures|invalid format|error in libcrypto", re.IGNORECASE
)  # fmt: skip
_SILENT = re.compile(
    r"could not resolve|name or service not known|temporary failure in name|connection refused|timed? ?out|unreachable|"
    r"no route to host|connection reset|connection closed|too slow|early eof|hung up|could not connect|"
    r"failed to connect|error: (429|5\d\d)|empty reply|unexpected eof|broken pipe", re.IGNORECASE
)  # fmt: skip
_MISSING = re.compile(
    r"not found|does not appear to be a git repository|does not exist|no such file|project you were looking for",
    re.IGNORECASE,
)
_BAD_OBJECTS = re.compile(
    r"fsck error|index-pack failed|unpack-objects abnormal|invalid index-pack|bad object", re.IGNORECASE
)
_BROKEN = re.compile(
    r"corrupt|is empty|bad signature|index file .* (is too small|bad)|unable to (map|read|open)", re.IGNORECASE
)
_DISK = re.compile(r"no space left on device|disk quota exceeded|read-only file system", re.IGNORECASE)
_UNADVERTISED = re.compile(
    r"not our ref|unadvertised object|no such remote ref|couldn't find remote ref", re.IGNORECASE
)


def last_words(said: str, secret: str = "") -> str:
    """The last telling lines of what a program said, without escape sequences and without the secret."""
    text = said.replace(secret, "[redacted]") if secret else said
    lines = [_CONTROL.sub("", line).strip() for line in text.splitlines()]
    telling = [line for line in lines if not _NOISE.match(line)] or [line for line in lines if line]
    return " / ".join(telling[-3:])[-400:]


def is_unadvertised(said: str) -> bool:
    """Whether the host answered that it does not hand out that object, or has no such ref."""
    return _UNADVERTISED.search(said) is not None


def is_local_damage(said: str, directory: str) -> bool:
    """Whether a command failed because castle's own copy of the repository, below that directory, is broken."""
    return any(_BROKEN.search(line) and directory in line for line in said.splitlines()) or (
        f"not a git repository: '{directory}'" in said
    )


def failure(said: str, where: str, *, host_keys: str = "", secret: str = "") -> CastleError:
    """The error that a failed command of git means.

    Args:
        said: its standard error.
        where: the repository's address.
        host_keys: fingerprints that were expected, for a host key that is another.
        secret: a text that must not be repeated.
    """
    why = last_words(said, secret) or "git ended without a word"
    if _HOST_KEY.search(said):
        came = _FINGERPRINT.search(said)
        answered = f"{came[0]} answered" if came else "another key answered"
        return Denied(
            "the host of the repository is not the one that was pinned",
            where=where,
            why=f"expected {host_keys}; {answered}",
            hints=["ask the host's owner; if the key was changed on purpose, correct `repository.host_key`"],
        )
    if _FOREIGN.search(said):
        return Refused(
            "git does not trust the repository",
            where=where,
            why="it belongs to another user of this computer, whose settings in it could start programs",
            hints=["name it over ssh, or give castle's user a copy: git clone --mirror"],
        )
    if _DISK.search(said):
        return Permanent("the copy of the repository cannot be written", where=where, why=why, hints=["df -h"])
    if _BAD_OBJECTS.search(said):
        return Damaged("the repository holds what git refuses", where=where, why=why, hints=["git fsck there"])
    for pattern, kind, message, hint in _KINDS:
        if pattern.search(said):
            return kind(message, where=where, why=why, hints=[hint] if hint else ())
    return Permanent("the repository cannot be read", where=where, why=why)


_KINDS: tuple[tuple[re.Pattern[str], type[CastleError], str, str], ...] = (
    (_SILENT, Unreachable, "the repository does not answer", ""),
    (_TLS, Denied, "the certificate of the repository's host is not believed", "`repository.ca` names a private CA"),
    (_DENIED, Denied, "the repository refuses us", "look at the secret that `repository.key` or `.token` names"),
    (_MISSING, NotFound, "there is no repository at this address", "correct `repository.url`, or see what may be read"),
)

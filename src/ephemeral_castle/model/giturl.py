"""What the address of a Git repository and the name of a revision in it may look like. Pure.

Sources: gitrepository-layout, git-fetch(1) "GIT URLS", git-check-ref-format(1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

Kind = Literal["https", "ssh", "file"]

_FULL_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PART_OF_ID = re.compile(r"[0-9a-f]{7,39}|[0-9a-f]{41,63}")
_FORBIDDEN_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCP = re.compile(r"(?:(?P<user>[^@/:]+)@)?(?P<host>\[[^\]/]+\]|[^@/:\[\]]+):(?P<path>.+)")
_LONGEST = 2048


class BadAddress(ValueError):
    """It cannot be used. `message`: why, one line; `hint`: the fix."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class Address:
    """Where a repository lies.

    Attributes:
        kind: how it is reached.
        path: on the host, or on this computer for "file".
        user: account there; "" when the address names none.
        host: name or IP; "" for "file".
        port: TCP port, 0 for the usual one.
    """

    kind: Kind
    path: str
    user: str = ""
    host: str = ""
    port: int = 0

    @property
    def url(self) -> str:
        """The address as git takes it, without the account of an https address: credentials go another way."""
        if self.kind == "file":
            return self.path
        port = f":{self.port}" if self.port else ""
        user = f"{self.user}@" if self.user and self.kind == "ssh" else ""
        return f"{self.kind}://{user}{self.host}{port}{self.path}"


def address_of(text: str) -> Address:
    """Takes an address apart.

    Args:
        text: `https://HOST/PATH`, `ssh://[USER@]HOST[:PORT]/PATH`, `[USER@]HOST:PATH`, `file:///PATH` or a path.

    Raises:
        BadAddress: it is none of these, or it carries a password.
    """
    if not text or len(text) > _LONGEST or _CONTROL.search(text):
        raise BadAddress("is not an address of a repository", "write `https://HOST/PATH`, `git@HOST:PATH` or a path")
    if "://" in text:
        return _of_url(text)
    if "::" in text.partition("/")[0]:
        raise BadAddress("names a helper program of git", "write `https://HOST/PATH`, `git@HOST:PATH` or a path")
    if ":" in text.partition("/")[0]:
        return _of_scp(text)
    if text.startswith("-"):
        raise BadAddress("begins with a hyphen", "write `./` before the path")
    return Address("file", text)


def _of_url(text: str) -> Address:
    try:
        parts = urlsplit(text)
        port = parts.port  # raises ValueError outside 0..65535
    except ValueError:
        raise BadAddress("is not a URL", "write `https://HOST/PATH` or `ssh://git@HOST/PATH`") from None
    if parts.password is not None:
        raise BadAddress(
            "an address must not carry a password", "store it in the key file and name it: `token: secret:git/token`"
        )
    if parts.query or parts.fragment:
        raise BadAddress("an address has no `?` and no `#`", "the revision is named by `ref`")
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return Address("file", parts.path)
    if parts.scheme in {"http", "git"}:
        raise BadAddress(
            f"`{parts.scheme}://` is neither encrypted nor signed: others could change what the castle is made from",
            "write `https://...` (`ca` names a private CA) or `ssh://...`",
        )
    if parts.scheme not in {"https", "ssh"} or len(parts.path) < 2:
        raise BadAddress("is not an address of a repository", "write `https://HOST/PATH`, `git@HOST:PATH` or a path")
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    kind: Kind = "https" if parts.scheme == "https" else "ssh"
    return _checked(Address(kind, parts.path, parts.username or "", host, port or 0))


def _of_scp(text: str) -> Address:
    found = _SCP.fullmatch(text)
    if found is None:
        raise BadAddress("is not an address of a repository", "write `git@HOST:PATH`, or `./` before a path with `:`")
    path = found["path"]
    # git gives a path without a slash to the account's home directory; ssh:// says so with `/~/`.
    path = path if path.startswith("/") else f"/{path}" if path.startswith("~") else f"/~/{path}"
    return _checked(Address("ssh", path, found["user"] or "", found["host"]))


def _checked(address: Address) -> Address:
    """Names that ssh or git could take for options, or a shell for something else, are refused."""
    if not _HOST.fullmatch(address.host):
        raise BadAddress("its host is no name and no IP address", "write `https://HOST/PATH` or `git@HOST:PATH`")
    if address.user and not _USER.fullmatch(address.user):
        raise BadAddress("its account has characters that no account has", "write `git@HOST:PATH`")
    return address


def check_ref(ref: str) -> None:
    """Judges the name of a branch or tag, or a whole commit id, by the rules of git-check-ref-format(1).

    Raises:
        BadAddress: git could not have such a name, or would take it for an option.
    """
    hint = "write the name of a branch or tag, or all 40 characters of a commit id"
    if not ref or len(ref) > 255:
        raise BadAddress("is empty or too long", hint)
    if ref.startswith("-"):
        raise BadAddress("begins with a hyphen: git would take it for an option", hint)
    parts = ref.split("/")
    wrong = any(part.startswith(".") or part.endswith(".lock") or not part for part in parts)
    if _FORBIDDEN_IN_REF.search(ref) or ref.endswith(".") or ref == "@" or wrong:
        raise BadAddress("cannot be the name of a branch or tag", hint)
    if ref.upper() == "HEAD" or ref.upper().startswith("FETCH_HEAD"):
        raise BadAddress("says nothing about what is wanted: it changes with the host's settings", hint)


def is_full_id(ref: str) -> bool:
    """Whether it is a whole commit id: 40 (SHA-1) or 64 (SHA-256) hexadecimal digits."""
    return _FULL_ID.fullmatch(ref) is not None


def is_part_of_id(ref: str) -> bool:
    """Whether it looks like the first characters of a commit id."""
    return _PART_OF_ID.fullmatch(ref) is not None

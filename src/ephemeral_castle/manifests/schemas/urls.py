"""URLs as Go's `url.ParseRequestURI` reads them, which the format `uri` and CEL's `url()` use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

_SCHEME: Final = r"([A-Za-z][A-Za-z0-9+.-]*):"
_ESCAPE: Final = r"%(?![0-9a-fA-F]{2})"
_HOST: Final = r"[A-Za-z0-9\-._~%!$&'()*+,;=:\[\]<>\"\u0080-\U0010ffff]*\Z"
_USER: Final = r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*\Z"
_PORT: Final = r"(:[0-9]*)?\Z"


class BadUrlError(ValueError):
    """A string that Go takes for no URL; the text is Go's own."""


@dataclass(frozen=True)
class Url:
    """The parts of one that CEL's functions give out; `path` and `query` as they were written."""

    scheme: str
    host: str
    path: str
    query: str

    @property
    def hostname(self) -> str:
        """The host without its port and without brackets."""
        if self.host.startswith("["):
            return self.host[1:].partition("]")[0]
        return self.host.partition(":")[0] if self.port else self.host.removesuffix(":")

    @property
    def port(self) -> str:
        """The port; "" where none is written."""
        tail = self.host.rpartition("]")[2]
        return tail.partition(":")[2]


def request(text: str) -> Url:
    """Reads an absolute URI or an absolute path.

    Raises:
        BadUrlError: it is neither.
    """

    def refuse(why: str) -> BadUrlError:
        return BadUrlError(f'parse "{text}": {why}')

    if any(ord(each) < 0x20 or ord(each) == 0x7F for each in text):
        raise refuse("net/url: invalid control character in URL")
    if not text:
        raise BadUrlError('parse "": empty url')
    if text == "*":
        return Url("", "", "*", "")
    scheme, rest = _scheme(text)
    rest, _, query = rest.partition("?")
    if not rest.startswith("/"):
        if scheme:
            return Url(scheme, "", "", query)
        raise refuse("invalid URI for request")
    host = ""
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, tail = rest[2:].partition("/")
        host, rest = _host(authority), slash + tail
    if bad := re.search(_ESCAPE, rest):
        raise refuse(f'invalid URL escape "{rest[bad.start() : bad.start() + 3]}"')
    return Url(scheme, host, rest, query)


def _scheme(text: str) -> tuple[str, str]:
    if text.startswith(":"):
        raise BadUrlError(f'parse "{text}": missing protocol scheme')
    found = re.match(_SCHEME, text)
    return (found[1].lower(), text[found.end() :]) if found else ("", text)


def _host(authority: str) -> str:
    user, at, host = authority.rpartition("@")
    if at and not re.match(_USER, user):
        raise BadUrlError("net/url: invalid userinfo")
    if host.startswith("["):
        inner, bracket, port = host.rpartition("]")
        if not bracket or not re.match(_PORT, port):
            raise BadUrlError(f'invalid port "{port}" after host' if bracket else "missing ']' in host")
        if not re.match(r"\[[0-9a-fA-F:.]*(%25[^\]]*)?\Z", inner):
            raise BadUrlError("invalid host")
        return host
    name, colon, port = host.partition(":")
    if colon and not re.match(_PORT, colon + port):
        raise BadUrlError(f'invalid port "{colon + port}" after host')
    if not re.match(_HOST, name) or re.search(_ESCAPE, name) or re.search(r"%(?![89a-fA-F]|25)", name):
        raise BadUrlError("invalid character in host name")
    return unquote(host)


def is_request(text: str) -> bool:
    """Whether Go takes a string as the URI of a request."""
    try:
        request(text)
    except BadUrlError:
        return False
    return True

"""The castle's repository as the cluster reaches it: address, and what opens it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from ephemeral_castle.model.castle import Reach, Repository
from ephemeral_castle.model.giturl import Address, address_of

SSH = 22


@dataclass(frozen=True)
class Said:
    """A text that is no secret, among values that are named by their secrets."""

    text: str


Value = str | Said
"""Name of a secret, or a plain text."""


@dataclass(frozen=True)
class Reached:
    """How the cluster reaches the repository. `wrong`: why it cannot, "" when it can."""

    url: str = ""
    wrong: str = ""


def reached(
    repository: Repository, given: str | None, reach: Mapping[str, Reach], gateway: Callable[[], str]
) -> Reached:
    """The address for the GitRepository.

    Args:
        repository: of the definition.
        given: the option `repository_url`.
        reach: services that machines find at the gateway.
        gateway: tells its address.
    """
    if given is None:
        return _own(address_of(repository.url))
    parts = urlsplit(given)
    host, port = parts.hostname or "", parts.port
    if host in reach:
        host, port = gateway(), port or reach[host].at
    elif parts.scheme == "http":
        text = "`http://` is neither encrypted nor signed: only a name of the site's `reach` may stand in it"
        return Reached(wrong=text)
    user = f"{parts.username}@" if parts.username and parts.scheme == "ssh" else ""
    where = f"{user}{_host(host)}:{port}" if port else f"{user}{_host(host)}"
    return Reached(urlunsplit((parts.scheme, where, parts.path, "", "")))


def _own(address: Address) -> Reached:
    if address.kind == "file":
        text = f"`{address.path}` lies on this computer, and the cluster cannot read it"
        return Reached(wrong=f"{text}: add `repository_url` to the layer")
    # `git@HOST:PATH` is a path below the account's home; forges take it without that.
    path = address.path.removeprefix("/~")
    user = f"{address.user}@" if address.user and address.kind == "ssh" else ""
    port = f":{address.port}" if address.port else ""
    return Reached(f"{address.kind}://{user}{address.host}{port}{path}")


def _host(host: str) -> str:
    """As a URL writes it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def opener(repository: Repository, url: str) -> dict[str, Value]:
    """What the Secret of the GitRepository holds; empty where nothing opens it, or another way is taken.

    Args:
        repository: of the definition.
        url: as the cluster reaches it.
    """
    parts = urlsplit(url)
    if parts.scheme == "ssh" and repository.key:
        port = parts.port or SSH
        host = parts.hostname or ""
        host = host if port == SSH else f"[{host}]:{port}"
        known = "".join(f"{host} {each}\n" for each in repository.host_keys)
        return {"identity": repository.key, "known_hosts": Said(known)}
    if parts.scheme == "https" and repository.token:
        user = address_of(repository.url).user or "git"
        return {"username": Said(user), "password": repository.token}
    return {}

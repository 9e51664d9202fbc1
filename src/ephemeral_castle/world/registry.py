"""Names of images and what a registry's refusal means. Pure.

Sources: the reference grammar of distribution/reference (Docker's default host and `library/`), podman-pull(1) 4.3.
"""

from __future__ import annotations

import re

from ephemeral_castle.errors import CastleError, Denied, NotFound, Permanent, Unreachable

DEFAULT_HOST = "docker.io"
PASSED = ("http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY", "REGISTRY_AUTH_FILE", "SSL_CERT_FILE",
          "CONTAINERS_REGISTRIES_CONF", "HOME", "XDG_RUNTIME_DIR")  # fmt: skip
"""Variables of this computer that say how a registry is reached: podman's own, and proxies."""

_MEANING: tuple[tuple[str, type[CastleError], str], ...] = (
    (r"no space left", Permanent, "df -h /var/cache/ephemeral-castle"),
    (r"unauthorized|authentication required|access to the resource is denied|denied:", Denied, "podman login HOST"),
    (r"manifest unknown|name unknown|repository .* not found|not found: manifest", NotFound, "look at name and tag"),
    (r"x509|certificate", Permanent, "give the registry's CA in /etc/containers/certs.d/HOST/ca.crt"),
    (r"invalid reference|short-name", Permanent, "write the whole name: HOST/PATH:TAG"),
)


def canonical(reference: str) -> str:
    """The whole name, as Docker and Compose understand a short one: `nginx` is `docker.io/library/nginx:latest`."""
    name, at, digest = reference.partition("@")
    head, slash, _ = name.partition("/")
    if not slash or not (set(head) & set(".:") or head == "localhost"):
        name = f"{DEFAULT_HOST}/{'' if slash else 'library/'}{name}"
    if at:
        return f"{name}@{digest}"
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def repository(reference: str) -> str:
    """The name without tag and digest."""
    name = reference.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    return f"{head}{slash}{tail.partition(':')[0]}"


def pinned(reference: str, digests: list[str]) -> str:
    """The name with the digest that the registry gave; the name itself where there is none."""
    wanted = f"{repository(reference)}@"
    return next((each for each in digests if each.startswith(wanted)), reference)


def refusal(reference: str, said: str, *, to: str = "") -> CastleError:
    """The error for what podman said when it could not pull, or push `to` a registry."""
    host = to or reference.partition("/")[0]
    what = f"the image {reference} cannot be {'handed to registry ' + to if to else 'pulled'}"
    for pattern, kind, mend in _MEANING:
        if re.search(pattern, said, re.IGNORECASE):
            return kind(what, where=host, why=said, state="nothing was stored", hints=[mend.replace("HOST", host)])
    hint = "castle prefetch, which pulls it ahead while the network is there"
    return Unreachable(what, where=host, why=said, state="nothing was stored", hints=[] if to else [hint])

"""Whether a registry has an image, by its HTTP interface, and which words hand it over.

Sources: the distribution specification of OCI, 1.1 (`HEAD /v2/NAME/manifests/REFERENCE`); podman-push(1) 4.3.
"""

from __future__ import annotations

import ipaddress

import httpx

from ephemeral_castle.errors import Unreachable

MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json"
)


def plain(registry: str) -> bool:
    """Whether it may be spoken to without TLS: only on this computer's own loopback."""
    host = registry.rpartition(":")[0] or registry
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def path_of(reference: str) -> str:
    """The name without its host: a mirror of all hosts keeps `localhost/castle-postgres:1` as `castle-postgres:1`."""
    return reference.partition("/")[2]


async def has(registry: str, reference: str, transport: httpx.AsyncBaseTransport | None = None) -> bool:
    """Whether the registry has the image; one that wants to know first who asks is taken not to.

    Args:
        registry: HOST[:PORT].
        reference: name of the image in the store, `localhost/NAME:TAG`.
        transport: for tests.

    Raises:
        Unreachable: it does not answer.
    """
    name, _, tag = path_of(reference).rpartition(":")
    scheme = "http" if plain(registry) else "https"
    url = f"{scheme}://{registry}/v2/{name}/manifests/{tag}"
    try:
        async with httpx.AsyncClient(timeout=10.0, transport=transport, trust_env=not plain(registry)) as client:
            answer = await client.head(url, headers={"Accept": MANIFESTS})
    except httpx.HTTPError as error:
        raise silent(registry, str(error) or type(error).__name__) from error
    if answer.status_code >= 500:
        raise silent(registry, f"it answers {answer.status_code}")
    return answer.is_success


def silent(registry: str, why: str) -> Unreachable:
    """The error for a registry that does not answer."""
    return Unreachable(
        f"registry {registry} does not answer",
        why=why,
        state="nothing was changed",
        hints=["start it, or look at `reach` in the definition", "castle doctor"],
    )


def words(registry: str, reference: str) -> list[str]:
    """Arguments of podman that push an image. zstd packs much faster than gzip; containerd reads it since 1.5."""
    tls = ["--tls-verify=false"] if plain(registry) else []
    form = ["--format", "oci", "--compression-format", "zstd"]
    return ["push", "--quiet", *tls, *form, reference, f"docker://{registry}/{path_of(reference)}"]

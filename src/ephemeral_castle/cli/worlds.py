"""Builds the real world of a castle: treasury first, since lease and record lie there."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ephemeral_castle.cli.places import Places, places
from ephemeral_castle.errors import CastleError, Denied, Transient
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.spi.world import TreasuryAccess
from ephemeral_castle.world.bundle import RealWorld
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.computer import computer
from ephemeral_castle.world.enclosure import CastleEnclosure
from ephemeral_castle.world.enclosure import Site as EnclosureSite
from ephemeral_castle.world.exec import LocalExec
from ephemeral_castle.world.forwarders import Forwarders, Route
from ephemeral_castle.world.identities import VersityIdentities
from ephemeral_castle.world.images import ImageStore
from ephemeral_castle.world.keys import KeyFile
from ephemeral_castle.world.objects import S3Objects
from ephemeral_castle.world.pidfile import ProcessMark
from ephemeral_castle.world.podman_probe import require_programs
from ephemeral_castle.world.s3 import ATTEMPTS, Endpoint
from ephemeral_castle.world.sigv4 import Credentials
from ephemeral_castle.world.treasury_server import LocalTreasury
from ephemeral_castle.world.treasury_server import Place as TreasuryPlace
from ephemeral_castle.world.vault import TreasuryVault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from ephemeral_castle.model.castle import Castle, Site
    from ephemeral_castle.spi.kubernetes import Cluster
    from ephemeral_castle.spi.secret import SecretSource
    from ephemeral_castle.spi.world import Objects, Source

GLANCES = 2  # tries of a look: somebody waits for its answer
INSIDE_PORT = 9443  # of the treasury at the gateway; nobody else lives in that namespace
ALIAS = "treasury.castle"
REACH = "reach-"  # before the names of forwarders of a site's `reach`


def cluster_of(files: str, context: str) -> Cluster:
    """The API server of a kubeconfig's context; raises as `world.kubeconfig.read` does."""
    from ephemeral_castle.world.kubeconfig import read
    from ephemeral_castle.world.kubernetes import HttpCluster

    return HttpCluster(read(files, context), SystemClock())


def current_context(files: str) -> str:
    """The context that kubectl would use; "" where none is."""
    from ephemeral_castle.world.kubeconfig import current

    return current(files)


def schema_directory(path: Path) -> tuple[str, Sequence[tuple[str, bytes]]]:
    """Digest and files of a directory or file; raises as `world.schema_sources` does, like the next three."""
    from ephemeral_castle.world.schema_sources import directory

    return directory(path)


def schema_url(address: str, sha256: str) -> tuple[str, Sequence[tuple[str, bytes]]]:
    """Digest and files of a URL."""
    from ephemeral_castle.world.schema_sources import url

    return url(address, sha256)


def schema_module(named: str) -> tuple[str, Sequence[tuple[str, bytes]]]:
    """Hash and files of a Go module."""
    from ephemeral_castle.world.schema_sources import module

    return module(named)


def schema_package(named: str) -> tuple[str, Sequence[tuple[str, bytes]]]:
    """Digest and files of a package of PyPI."""
    from ephemeral_castle.world.schema_sources import package

    return package(named)


@dataclass
class Opened:
    """A world with what castle itself needs besides."""

    world: RealWorld
    enclosure: CastleEnclosure
    keys: KeyFile
    secrets: Secrets
    places: Places
    forwarders: Forwarders
    treasury: LocalTreasury | None
    closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    async def unreach(self) -> None:
        """Ends the doors to the site's `reach`: after a wipe nobody is there who could use them."""
        await self.forwarders.stop_all(REACH)

    async def close(self) -> None:
        """Closes connections; processes that outlive a run stay."""
        for closer in self.closers:
            await closer()


def is_root() -> bool:
    """Whether this process may make namespaces and containers."""
    import os

    return os.geteuid() == 0


def require_root() -> None:
    """Raises Denied when this process may not make machines, NotFound when a program is missing."""
    if not is_root():
        raise Denied(
            "castle needs root to make machines on this computer",
            why="network namespaces and privileged containers belong to root",
            hints=["without root these work: castle init, plan --offline, runs, logs, report, card", "sudo castle …"],
        )
    require_programs()


def enclosure_of(castle: Castle, site: Site, where: Places, exec_: LocalExec) -> CastleEnclosure:
    """The castle's corner of this computer (nothing is made yet)."""
    host = ALIAS
    if castle.treasury.endpoint:
        host = _machine_side(urlsplit(castle.treasury.endpoint).hostname or ALIAS)
    described = EnclosureSite(
        slug=where.slug,
        state=where.state,
        runtime=where.runtime,
        image_store=where.images,
        subnet=site.subnet,
        treasury_host=host,
        treasury_port=INSIDE_PORT,
    )
    return CastleEnclosure(exec_, described)


async def stands(castle: Castle, site: Site) -> bool:
    """Whether the castle's corner of this computer stands since this boot. Makes nothing."""
    return await enclosure_of(castle, site, places(castle.name), LocalExec()).exists()


def served(castle: Castle, site: Site) -> bool:
    """Whether what castle itself keeps running here runs: a treasury's server and its door, and those of `reach`.

    A treasury elsewhere is not asked. Starts nothing.
    """
    where = places(castle.name)
    clock, exec_ = SystemClock(), LocalExec()
    forwarders = Forwarders(exec_, clock, where.runtime / "forward")
    routes = reach_of(site, enclosure_of(castle, site, where, exec_))
    if not all(forwarders.serves(name, route) for name, route in routes.items()):
        return False
    if not castle.treasury.server:
        return True
    mark = ProcessMark.read(where.runtime / "treasury/treasury.pid")
    return mark is not None and mark.alive and forwarders.alive("treasury")


def reach_of(site: Site, enclosure: CastleEnclosure) -> dict[str, Route]:
    """A way from the gateway of the machines' network to each service of the site's `reach`, by forwarder."""
    return {
        f"{REACH}{name}": Route(f"{enclosure.gateway}:{to.at}", f"{to.host}:{to.port}", listen_in=enclosure.name)
        for name, to in site.reach.items()
    }


async def open_world(castle: Castle, site: Site, *, looking: bool = False) -> Opened:
    """Makes sure that namespace, treasury and forwarders are there, and opens the treasury.

    Args:
        castle: the definition.
        site: where it stands.
        looking: only to read, in a moment: a treasury's server that runs is taken as it is, no bucket is made, a
            treasury that does not answer is given up sooner, and the vault is read once. Where the castle has no corner
            of this computer yet, none is made for a look at a treasury elsewhere.

    Raises:
        Denied: not root. Others: as key file, server or treasury say.
    """
    require_root()
    where = places(castle.name)
    clock, exec_ = SystemClock(), LocalExec()
    keys = KeyFile.load(castle.treasury.keys)
    enclosure = enclosure_of(castle, site, where, exec_)
    makes = not looking or castle.treasury.server or await enclosure.exists()
    if makes:
        await enclosure.ensure()
    forwarders = Forwarders(exec_, clock, where.runtime / "forward")
    if not looking:
        await _reach(site, enclosure, forwarders)
    credentials = Credentials(keys.access_key, keys.secret_key)
    treasury: LocalTreasury | None = None
    if castle.treasury.server:
        endpoint, treasury = await kept_here(castle, where, clock, enclosure, forwarders, credentials, looking=looking)
    else:
        endpoint, target = await outside(castle, keys)
        if makes:
            inside = f"{enclosure.gateway}:{INSIDE_PORT}"
            await forwarders.ensure("treasury-out", Route(inside, target, listen_in=enclosure.name))
    objects = S3Objects(endpoint, credentials, clock, attempts=GLANCES if looking else ATTEMPTS)
    secrets = Secrets(keys, TreasuryVault(objects, keys, steady=looking))
    world = RealWorld(
        exec=exec_,
        clock=clock,
        objects=objects,
        identities=await accounts(objects, where),
        access=access_of(castle, endpoint, enclosure),
        images=ImageStore(exec_, where.images),
        enclosure=enclosure,
        computer=computer(where.computer, home=where.state.parent),
        forwarders=forwarders,
        runtime=where.runtime / "forward",
        treasury=treasury,
        source=repository_of(castle, where, objects, keys, secrets, enclosure),
    )
    return Opened(
        world,
        enclosure,
        keys,
        secrets,
        where,
        forwarders,
        treasury,
        [objects.close],
    )


async def _reach(site: Site, enclosure: CastleEnclosure, forwarders: Forwarders) -> None:
    """Opens the site's `reach`, and closes what the definition names no more."""
    routes = reach_of(site, enclosure)
    await forwarders.stop_all(REACH, keep=routes)
    for name, route in routes.items():
        await forwarders.ensure(name, route)


def repository_of(
    castle: Castle,
    where: Places,
    objects: Objects,
    keys: KeyFile,
    secrets: SecretSource,
    enclosure: CastleEnclosure | None = None,
) -> Source | None:
    """The castle's Git repository, when the definition names one (nobody is asked yet).

    `enclosure`: of the machines to which castle's copy may be lent.
    """
    if castle.repository is None:
        return None
    from ephemeral_castle.world.git import GitSource
    from ephemeral_castle.world.git_copies import GitCopies
    from ephemeral_castle.world.git_lending import Lender

    exec_, clock = LocalExec(), SystemClock()
    copies = GitCopies(objects, keys.encrypt, keys.decrypt)
    lender = Lender(exec_, clock, enclosure, where.runtime / "git") if enclosure is not None else None
    return GitSource(castle.repository, secrets, copies, exec_, clock, where.state / "git", lender)


async def accounts(objects: S3Objects, where: Places) -> VersityIdentities | None:
    """The treasury's accounts, where the endpoint has an interface for them that our key may use."""
    found = VersityIdentities(objects, where.cache / "accounts.lock")
    try:
        await found.names()
    except Transient:
        raise  # no answer is no proof that there are none
    except CastleError:
        return None
    return found


class Secrets:
    """The vault in the treasury; the key file answers for its own two names and for what a person put into it."""

    def __init__(self, keys: KeyFile, vault: TreasuryVault) -> None:
        self.keys, self.vault = keys, vault

    async def get(self, name: str) -> Secret | None:
        """See `spi.secret.SecretSource`."""
        if name == "treasury/access_key":
            return Secret(self.keys.access_key)
        if name == "treasury/secret_key":
            return self.keys.secret_key
        if name in self.keys.secrets:
            return self.keys.secrets[name]
        return await self.vault.get(name)

    async def put(self, name: str, value: Secret) -> None:
        """See `spi.secret.SecretSource`."""
        await self.vault.put(name, value)


async def kept_here(
    castle: Castle,
    where: Places,
    clock: SystemClock,
    enclosure: CastleEnclosure,
    forwarders: Forwarders,
    credentials: Credentials,
    *,
    looking: bool,
) -> tuple[Endpoint, LocalTreasury]:
    """The treasury beside the castle, with the door to it on the loopback; see `open_world` for `looking`."""
    inside = f"{enclosure.gateway}:{INSIDE_PORT}"
    wished = castle.treasury.port or forwarders.port("treasury")
    route = Route(f"127.0.0.1:{wished}", inside, connect_in=enclosure.name)
    port = await forwarders.ensure("treasury", route)
    place = TreasuryPlace(
        state=where.treasury,
        runtime=where.runtime / "treasury",
        host=enclosure.gateway,
        port=INSIDE_PORT,
        reach=("127.0.0.1", port),
        name=ALIAS,
    )
    from ephemeral_castle.world.treasury_server import find_versitygw

    binary = find_versitygw(where.cache / "bin")
    server = LocalTreasury(place, credentials, clock, enter=enclosure.enter, binary=binary)
    if not looking:
        await server.ensure()
        await server.create_bucket(castle.treasury.bucket)
    elif not server.runs:
        await server.ensure()
    return Endpoint(server.url, castle.treasury.bucket, castle.treasury.prefix, ca=server.ca), server


async def outside(castle: Castle, keys: KeyFile) -> tuple[Endpoint, str]:
    """A treasury that castle does not keep, and its HOST:PORT."""
    wanted = castle.treasury
    ca = keys.ca
    if wanted.ca:
        ca = await asyncio.to_thread(Path(wanted.ca).read_text)
    parts = urlsplit(wanted.endpoint)
    endpoint = Endpoint(wanted.endpoint, wanted.bucket, wanted.prefix, wanted.region, wanted.path_style, ca)
    return endpoint, f"{parts.hostname}:{parts.port or 443}"


def access_of(castle: Castle, endpoint: Endpoint, enclosure: CastleEnclosure) -> TreasuryAccess:
    """How machines in an enclosure reach the treasury."""
    return TreasuryAccess(
        bucket=castle.treasury.bucket,
        prefix=castle.treasury.prefix,
        region=castle.treasury.region,
        host=enclosure.treasury_host,
        port=INSIDE_PORT,
        ca=endpoint.ca,
        path_style=castle.treasury.path_style,
    )


def _machine_side(host: str) -> str:
    """The name by which machines reach an endpoint; one that means the computer itself gets the alias."""
    if host == "localhost":
        return ALIAS
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host
    return ALIAS


def doors(opened: Opened, names: Iterable[str]) -> dict[str, str]:
    """Where these, and a treasury kept here, answer on this computer's loopback; without those that have no door."""
    wanted = (*(["treasury"] if opened.treasury else []), *names)
    ports = {name: opened.forwarders.port(name) for name in wanted}
    return {name: f"127.0.0.1:{port}" for name, port in ports.items() if port}

"""Builds the world of a drill: beside the living castle, with the treasury behind doors that only let look."""

from __future__ import annotations

import dataclasses
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ephemeral_castle.cli import catalog, worlds
from ephemeral_castle.cli.places import Places, places
from ephemeral_castle.errors import Refused
from ephemeral_castle.journal.drill_record import DrillRecords, UnrecordedDrill
from ephemeral_castle.journal.record import RecordStore
from ephemeral_castle.model.castle import Role
from ephemeral_castle.spi import marks
from ephemeral_castle.world.bundle import RealWorld
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.computer import computer
from ephemeral_castle.world.exec import LocalExec
from ephemeral_castle.world.forwarders import Forwarders, Route
from ephemeral_castle.world.images import ImageStore
from ephemeral_castle.world.keys import KeyFile
from ephemeral_castle.world.objects import S3Objects
from ephemeral_castle.world.reading import BorrowedSecrets, ReadingIdentities, ReadingObjects
from ephemeral_castle.world.room import TREASURY, DrillRoom
from ephemeral_castle.world.sigv4 import Credentials
from ephemeral_castle.world.vault import TreasuryVault

if TYPE_CHECKING:
    from ephemeral_castle.cli.worlds import Opened
    from ephemeral_castle.model.castle import Castle, Site
    from ephemeral_castle.world.s3 import Endpoint


@dataclass(frozen=True)
class Drill:
    """What a drill works with. `castle`: under the drill's own name and addresses."""

    castle: Castle
    opened: Opened
    secrets: BorrowedSecrets
    records: DrillRecords


def rehearsed(castle: Castle, site: Site) -> tuple[Castle, Site]:
    """The castle that a drill brings up: the same, with another name and another network."""
    own = dataclasses.replace(site, subnet=beside(site.subnet))
    return dataclasses.replace(castle, name=castle.name + marks.DRILL, sites={site.name: own}), own


def unrecorded(site: Site) -> bool:
    """Whether every treasure of a site lies elsewhere: then a castle that was never raised can be rehearsed."""
    kinds = [catalog.driver_class(layer.driver) for layer in site.layers if layer.role is Role.TREASURES]
    return bool(kinds) and all(getattr(kind, "rehearses_unrecorded", False) for kind in kinds)


def beside(subnet: str) -> str:
    """The neighbour of a network that shares its next larger one: private stays private."""
    network = ipaddress.ip_network(subnet)
    wider = network.supernet()
    return str(next(each for each in wider.subnets(new_prefix=network.prefixlen) if each != network))


def room_at(where: Places, castle: Castle, site: Site, exec_: LocalExec, target: str = "") -> DrillRoom:
    """The room of a castle's drills on this computer (nothing is made yet).

    Args:
        where: places of the castle itself.
        castle: the castle itself.
        site: the site under the drill's own addresses.
        exec_: starts processes.
        target: HOST:PORT of the treasury as this computer reaches it; needed to make the room, not to remove it.
    """
    own = where.drill
    enclosure = worlds.enclosure_of(castle, site, own, exec_)
    forwarders = Forwarders(exec_, SystemClock(), own.runtime / "forward")
    way = Route(f"{enclosure.gateway}:{worlds.INSIDE_PORT}", target, listen_in=enclosure.name)
    ways = {TREASURY: way, **worlds.reach_of(site, enclosure)}
    return DrillRoom(exec_, enclosure, forwarders, ways, own.state, own.runtime)


async def open_drill(castle: Castle, site: Site) -> Drill:
    """Opens the treasury as it is; of the castle itself nothing is made, but a treasury kept here is started.

    Raises:
        Denied: not root. Refused: this computer keeps no treasury of the castle. Others: as key file and treasury say.
    """
    worlds.require_root()
    where = places(castle.name)
    clock, exec_ = SystemClock(), LocalExec()
    keys = KeyFile.load(castle.treasury.keys)
    credentials = Credentials(keys.access_key, keys.secret_key)
    endpoint, target = await _treasury(castle, site, where, keys, credentials)
    objects = S3Objects(endpoint, credentials, clock)
    named, own = rehearsed(castle, site)
    room = room_at(where, castle, own, exec_, target)
    accounts = await worlds.accounts(objects, where)
    secrets = worlds.Secrets(keys, TreasuryVault(objects, keys))
    looking = ReadingObjects(objects)
    world = RealWorld(
        exec=exec_,
        clock=clock,
        objects=looking,
        identities=None if accounts is None else ReadingIdentities(accounts),
        access=worlds.access_of(castle, endpoint, room.enclosure),
        images=ImageStore(exec_, where.images),
        enclosure=room.enclosure,
        computer=computer(where.computer, home=where.state.parent),
        forwarders=room.forwarders,
        runtime=where.drill.runtime / "forward",
        source=worlds.repository_of(castle, where.drill, looking, keys, secrets, room.enclosure),
        room=room,
    )
    opened = worlds.Opened(world, room.enclosure, keys, secrets, where.drill, room.forwarders, None, [objects.close])
    sort = UnrecordedDrill if unrecorded(site) else DrillRecords
    records = sort(RecordStore(objects, keys.recipient), named.name)
    return Drill(named, opened, BorrowedSecrets(secrets), records)


async def _treasury(
    castle: Castle, site: Site, where: Places, keys: KeyFile, credentials: Credentials
) -> tuple[Endpoint, str]:
    """The treasury as this computer reaches it."""
    if not castle.treasury.server:
        return await worlds.outside(castle, keys)
    born = where.treasury.exists()
    if not born and not unrecorded(site):
        raise Refused(
            f"castle `{castle.name}` has no treasury on this computer",
            where=str(where.treasury),
            why="it is kept beside the castle (`server: here`), and there is none",
            state="nothing was changed",
            hints=["castle status", "castle raise --new, for a first birth"],
        )
    clock, exec_ = SystemClock(), LocalExec()
    living = worlds.enclosure_of(castle, site, where, exec_)
    await living.ensure()
    forwarders = Forwarders(exec_, clock, where.runtime / "forward")
    endpoint, _ = await worlds.kept_here(castle, where, clock, living, forwarders, credentials, looking=born)
    return endpoint, f"127.0.0.1:{forwarders.port('treasury')}"

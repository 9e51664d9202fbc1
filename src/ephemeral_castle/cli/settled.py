"""Whether a raise would change nothing, by one look before a run is made.

Only what was seen counts. Whatever could not be seen, or cannot be told by a look, leads to the run, which finds out.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ephemeral_castle.cli import begun, online, wiring
from ephemeral_castle.cli.places import places
from ephemeral_castle.cli.worlds import Opened, is_root, open_world, served, stands
from ephemeral_castle.engine.context import Shared, StepContext
from ephemeral_castle.engine.own import OwnDriver
from ephemeral_castle.errors import CastleError
from ephemeral_castle.journal.leasefile import FREE, LeaseFile
from ephemeral_castle.journal.lock import LocalLock
from ephemeral_castle.journal.reader import JournalReader
from ephemeral_castle.journal.record import RecordStore
from ephemeral_castle.model.begun import Begun
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Verb
from ephemeral_castle.model.events import RunStatus
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.runview import RunView, reduce
from ephemeral_castle.model.step import Effect, Phase, State, Step

RAISING = (Verb.RAISE, Verb.REBIRTH)
# What may have come since the life was raised, without changing what a raise would find.
HARMLESS = (Verb.BACKUP, Verb.RAISE, Verb.REBIRTH)
OWN = ("writer", "revoke", "unseal")  # castle's own steps that a look can judge
HEAD_START = 0.02  # seconds


@dataclasses.dataclass(frozen=True)
class Raised:
    """The run that raised what stands.

    Attributes:
        run: its id.
        life: that it raised.
        view: of it at its end; what it destroyed is left out.
        newest: id of the newest run.
    """

    run: str
    life: int
    view: RunView
    newest: str


class Unsettled(Exception):
    """Why a raise would change something, or might."""


async def look(castle: Castle, site: Site) -> dict[str, Any]:
    """`site`; `life`; `why` a raise might change something, "" when it was seen that it would not."""
    told: dict[str, Any] = {"site": site.name, "life": 0}
    try:
        return {**told, "life": await _look(castle, site), "why": ""}
    except Unsettled as why:
        return {**told, "why": str(why)}
    except CastleError as error:
        return {**told, "why": f"{error.message} ({error.why})"}


async def _look(castle: Castle, site: Site) -> int:
    """The life that stands as defined.

    Raises:
        Unsettled: it does not, or that cannot be told. Others: as whatever was looked at says.
    """
    where = places(castle.name)
    if not is_root():
        raise Unsettled("only root can look")
    if not await stands(castle, site):
        raise Unsettled("nothing of it stands on this computer")
    request = wiring.request_of(castle, Verb.RAISE, site.name, {})
    raised = raised_by(where.journal, begun.begin(request, *wiring.drivers_of(site)), site.name)
    if not served(castle, site):  # opening the world would start it: then something would have been changed
        raise Unsettled("the treasury that is kept here, or what machines reach on this computer, is not served")
    before = asyncio.all_tasks()
    opened = await open_world(castle, site, looking=True)
    try:
        await _judge(castle, site, opened, raised)
    finally:
        await _ended(before)
        await opened.close()
    # Somebody may have begun while we looked.
    with JournalReader(where.journal) as reader:
        newest = reader.latest()
    if LocalLock(where.lock).holder() is not None or newest is None or newest.id != raised.newest:
        raise Unsettled("a run has begun meanwhile")
    return raised.life


async def _ended(before: set[asyncio.Task[Any]]) -> None:
    """Waits for looks that were still going on when one of them settled the question; each has a time-out.

    They are not broken off: asyncio may wait for ever for a process that is cancelled while it is being started.
    """
    others = asyncio.all_tasks() - before
    if others:
        await asyncio.wait(others)


def raised_by(journal: Path, today: Begun, site: str) -> Raised:
    """The run that raised what stands; nothing that came after it may have changed what a raise would do.

    Args:
        journal: of the castle.
        today: what a raise would begin with now.
        site: name of the site.

    Raises:
        Unsettled: there is none, or something did.
    """
    with JournalReader(journal) as reader:
        for info in reader.runs():
            if info.status in wiring.UNFINISHED:
                raise Unsettled(f"run {info.id} is not finished")
            stored = reader.begun(info.id)
            if stored is None or not same(stored, today):
                raise Unsettled(f"run {info.id} began with another definition, other files or another castle")
            if info.verb not in HARMLESS and info.status is RunStatus.DONE:
                raise Unsettled(f"run {info.id} ({info.verb}) came after the life was raised")
            if info.verb not in RAISING or info.status is not RunStatus.DONE:
                continue
            events = reader.events(info.id)
            life = begun.lives(events)
            if life is None or info.site != site:
                raise Unsettled(f"run {info.id} raised another site")
            view = reduce(reader.plan(info.id), events)
            return Raised(info.id, life[1], dataclasses.replace(view, destroying=frozenset()), reader.runs()[0].id)
    raise Unsettled("no run on this computer raised it")


def same(stored: Begun, today: Begun) -> bool:
    """Whether a raise would begin with what a run began with: each file that it would read included."""
    files = {path: file.sha256 for path, file in stored.files.items()}
    unchanged = all(files.get(path) == file.sha256 for path, file in today.files.items())
    return unchanged and (stored.digest, stored.version) == (today.digest, today.version)


async def _judge(castle: Castle, site: Site, opened: Opened, raised: Raised) -> None:
    records = RecordStore(opened.world.objects, opened.keys.recipient)
    loaded, lease = await asyncio.gather(records.load(), LeaseFile(opened.world.objects).read())
    if loaded is None or lease is None or lease.state != FREE:
        raise Unsettled("a runner holds the castle, or the treasury has no record of it")
    record = loaded[0]
    here = (site.name, str(opened.world.computer["id"]), raised.life, 0)
    if (record.site, record.computer, record.life, record.pending_life) != here:
        raise Unsettled("the record says that another life, or none, stands here")
    shared = online.shared_of(castle, site, opened, records, record, verb=Verb.RAISE, view=raised.view)
    try:
        _doors(opened, record, raised.view)
        ground = [layer for layer in site.layers if layer.id == shared.ground]
        await asyncio.gather(_own(shared), *(_layer(shared, layer) for layer in ground))
        await _others(shared, [layer for layer in site.layers if layer.id != shared.ground])
    finally:
        await asyncio.gather(*(each.close() for each in shared.drivers.values() if hasattr(each, "close")))


async def _others(shared: Shared, layers: Sequence[Layer]) -> None:
    """All layers but the ground. Walls begin: their machines work already while this process reads other drivers in."""
    walls = [layer for layer in layers if layer.role is Role.WALLS]
    begun = [asyncio.ensure_future(_layer(shared, layer)) for layer in walls]
    await asyncio.sleep(HEAD_START if begun else 0.0)
    await asyncio.gather(*begun, *(_layer(shared, layer) for layer in layers if layer not in walls))


def _doors(opened: Opened, record: Record, view: RunView) -> None:
    """Every door that the run opened stands, and leads where it led."""
    for name, where in _inside(view):
        port = opened.forwarders.port(name)
        stands = opened.world.door(name, str(where["address"]), int(where["port"]))
        if not stands or record.addresses.get(name) != f"127.0.0.1:{port}":
            raise Unsettled(f"the door {name} is not open")


def _inside(view: RunView) -> Iterator[tuple[str, Any]]:
    for step in view.steps.values():
        yield from step.facts.get("inside", {}).items()


async def _own(shared: Shared) -> None:
    """The writer of this life has its rights, no older one is left, no seal is open."""
    own = OwnDriver()
    for action in OWN:
        step = Step(f"{own.name}.{action}", own.name, own.name, action, action, Phase.PREPARE, Effect.READ)
        seen = await own.observe(step, StepContext(shared, step, 1))
        if seen.state is not State.REACHED:
            raise Unsettled(f"castle.{action}: {seen.detail or 'not as it must be'}")


async def _layer(shared: Shared, layer: Layer) -> None:
    """One layer, by its driver; one that cannot tell is raised."""
    driver: Any = shared.drivers[layer.driver]
    if not hasattr(driver, "settled"):
        raise Unsettled(f"{layer.id}: its driver cannot tell")
    step = Step(f"{layer.id}.look", layer.id, layer.driver, "look", "look", Phase.PREPARE, Effect.READ)
    why = await driver.settled(StepContext(shared, step, 1))
    if why:
        raise Unsettled(f"{layer.id}: {why}")

"""What `castle check` asks of the world: every look with which a rebirth would begin, without a run. Changes nothing.

The treasury gets one test object, which is removed again.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.cli import online, wiring
from ephemeral_castle.cli.examining import needed
from ephemeral_castle.cli.heard import Heard
from ephemeral_castle.cli.worlds import Opened, is_root, open_world, served, stands
from ephemeral_castle.engine import preflight
from ephemeral_castle.engine.context import Shared, StepContext
from ephemeral_castle.engine.own import OwnDriver
from ephemeral_castle.errors import CastleError, NotFound, Permanent, Refused
from ephemeral_castle.journal.record import RecordStore
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Verb
from ephemeral_castle.model.record import Record
from ephemeral_castle.spi.driver import Check
from ephemeral_castle.spi.kubernetes import Cluster, Manifest

REPOSITORY = "repository"
CLUSTERS = ("postgres-operator.crunchydata.com/v1beta1", "PostgresCluster")


@dataclass
class _Told:
    """What is found while all are asked at once."""

    tree: dict[str, bytes] | None = None
    living: frozenset[str] | None = None


async def ask(castle: Castle, site: Site, *, tree: bool) -> Heard:
    """Asks everything that the castle stands on.

    Args:
        castle: the definition.
        site: whose systems.
        tree: whether the files of the repository's revision are wanted.
    """
    if not is_root():
        return Heard([_unseen("the world", "only root can look at it", "sudo castle check")])
    stood = await stands(castle, site)
    if castle.treasury.server and not (stood and served(castle, site)):
        fact = "castle keeps it on this computer, and it does not run: nothing stands, or the computer was started anew"
        return Heard([_unseen("the treasury", fact, "castle status")])
    try:
        opened = await open_world(castle, site, looking=True)
    except CastleError as error:
        mend = error.hints[-1] if error.hints else ""
        return Heard([Check("the treasury", False, _words(error), mend, preflight.TREASURY)])
    try:
        heard = await _asked(castle, site, opened, tree=tree)
    finally:
        await opened.close()
    return heard if stood else dataclasses.replace(heard, checks=_nowhere(site, heard.checks))


def _nowhere(site: Site, checks: Sequence[Check]) -> list[Check]:
    """Where a castle has no corner of this computer, its machines are not to be seen there: that is no riddle."""
    ground = {layer.id for layer in site.layers if layer.role is Role.GROUND}
    fact = "nothing of this castle stands on this computer yet; a raise looks at memory and names"
    hidden = [each.section in ground and each.data.get("seen") is False for each in checks]
    return [
        dataclasses.replace(each, fact=fact, mend="") if bare else each
        for each, bare in zip(checks, hidden, strict=True)
    ]


async def _asked(castle: Castle, site: Site, opened: Opened, *, tree: bool) -> Heard:
    records = RecordStore(opened.world.objects, opened.keys.recipient)
    try:
        async with asyncio.timeout(preflight.PATIENCE):
            loaded = await records.load()
    except (CastleError, TimeoutError) as error:
        fact = _words(error) if isinstance(error, CastleError) else "it does not answer"
        return Heard([Check("the record of the castle", False, fact, "castle doctor", preflight.TREASURY)])
    record = loaded[0] if loaded else Record(id="", name=castle.name, recipient=opened.keys.recipient)
    shared = online.shared_of(castle, site, opened, records, record, verb=_verb(castle, site, record))
    told = _Told()
    own = StepContext(shared, preflight.look_step(Layer(OwnDriver.name, Role.PROOF, OwnDriver.name)), 1)
    try:
        found = await asyncio.gather(
            preflight.treasury(own),
            preflight.examined(shared, site.layers, needed(castle, site)),
            preflight.first_looks(shared, shared.view.plan.steps),
            preflight.in_time("the repository", REPOSITORY, _repository(castle, opened, told, tree=tree)),
            preflight.in_time("the cluster", shared.foundations, _living(shared, own, told)),
            _standing(shared, record),
        )
    finally:
        await asyncio.gather(*(each.close() for each in shared.drivers.values() if hasattr(each, "close")))
    checks = [check for some in found for check in some]
    return Heard([*checks, *_said(shared)], told.tree, told.living)


def _verb(castle: Castle, site: Site, record: Record) -> Verb:
    """What the looks are for: a rebirth; a raise, where nothing stands or the site's drivers refuse a rebirth."""
    if not record.site:
        return Verb.RAISE
    try:
        wiring.offline_plan(castle, Verb.REBIRTH, site.name, {})
    except (Refused, Permanent):
        return Verb.RAISE
    return Verb.REBIRTH


async def _repository(castle: Castle, opened: Opened, told: _Told, *, tree: bool) -> list[Check]:
    """Its host answers, and has the revision."""
    source = opened.world.source
    if castle.repository is None or source is None:
        return []
    revision = await source.resolve()
    if tree:
        told.tree = {path: each.content for path, each in (await source.read(revision.sha)).items()}
    fact = f"{revision.wanted} is commit {revision.sha[:12]}, {revision.subject}".rstrip(", ")
    from_host = revision.source == "remote"
    notes = [Check("the repository", None, note, "", REPOSITORY) for note in revision.notes]
    return [Check("the repository answers", from_host or None, fact, "", REPOSITORY), *notes]


async def _living(shared: Shared, own: StepContext, told: _Told) -> list[Check]:
    """Which databases of an operator stand: advice for a living one must not be that for one that is to be born.

    A cluster that cannot be seen is no finding here: it may be what a rebirth is for, and its layer says so itself.
    """
    if not shared.foundations or not shared.record.site:
        return []
    api, kind = CLUSTERS
    try:
        cluster: Cluster = await own.cluster(old=True)
        found = await _listed(cluster, api, kind)
    except CastleError:
        return []
    told.living = frozenset(f"{kind} {each['metadata']['namespace']}/{each['metadata']['name']}" for each in found)
    return []


async def _listed(cluster: Cluster, api: str, kind: str) -> Sequence[Manifest]:
    """All objects of a kind; none where the server does not know it."""
    try:
        return await cluster.list(api, kind)
    except NotFound:
        return ()


async def _standing(shared: Shared, record: Record) -> list[Check]:
    """What `castle status` would raise an alarm for: it keeps nobody from a rebirth, and may be its reason."""
    if not record.site or record.computer != str(shared.world.computer["id"]):
        return []

    async def one(layer: Layer) -> Mapping[str, Any]:
        async with asyncio.timeout(preflight.PATIENCE):
            return await online.look_at(shared, layer)

    checks: list[Check] = []
    found = await asyncio.gather(*map(one, shared.layers.values()), return_exceptions=True)
    for layer, seen in zip(shared.layers.values(), found, strict=True):
        if isinstance(seen, TimeoutError):
            checks.append(_unseen(f"layer {layer.id}", f"no answer within {preflight.PATIENCE:.0f} s", "", layer.id))
        elif isinstance(seen, BaseException):
            raise seen
        else:
            checks += list(_alarms(layer, seen)) or [Check("status", True, "no alarm", "", layer.id)]
    return checks


def _alarms(layer: Layer, seen: Mapping[str, Any]) -> Iterator[Check]:
    for alarm in seen.get("alarms", ()):
        yield Check("status", None, alarm["text"], alarm.get("mend", ""), layer.id)
    for text in seen.get("unseen", ()):
        yield _unseen("status", text, "", layer.id)


def _said(shared: Shared) -> Iterator[Check]:
    """What looks said by the way."""
    bus = shared.bus
    for data in bus.said if isinstance(bus, online.Quiet) else ():
        if data.get("severity") in ("warning", "error"):
            yield Check("look", None, str(data.get("text", "")), "", str(data.get("step", "")).partition(".")[0])


def _unseen(title: str, fact: str, mend: str, section: str = preflight.TREASURY) -> Check:
    return Check(title, None, fact, mend, section, preflight.UNSEEN)


def _words(error: CastleError) -> str:
    return f"{error.message}: {error.why}" if error.why else error.message

"""Looking at the world without changing a castle: `status` and `doctor`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.cli import wiring
from ephemeral_castle.cli.chores import check_filled_in
from ephemeral_castle.cli.drilling import unrecorded
from ephemeral_castle.cli.examining import examined
from ephemeral_castle.cli.places import places
from ephemeral_castle.cli.worlds import Opened, doors, enclosure_of, is_root, open_world
from ephemeral_castle.engine.context import Shared, StepContext
from ephemeral_castle.engine.own import OwnDriver
from ephemeral_castle.errors import CastleError, Refused, Unreachable
from ephemeral_castle.journal.reader import JournalReader, RunInfo
from ephemeral_castle.journal.record import RecordStore
from ephemeral_castle.model.castle import Castle, Layer, Site, Verb
from ephemeral_castle.model.events import Event, Kind, RunStatus
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.runview import RunView, reduce
from ephemeral_castle.model.step import Effect, Phase, Step
from ephemeral_castle.spi.driver import Check, layer_with
from ephemeral_castle.world.exec import LocalExec
from ephemeral_castle.world.keys import NotFilledIn
from ephemeral_castle.world.podman_probe import probe as computer_checks
from ephemeral_castle.world.room import NOTE
from ephemeral_castle.world.treasury_probe import probe as treasury_checks


class Quiet:
    """A bus for looking outside of a run: nothing is recorded."""

    def __init__(self, view: RunView) -> None:
        self.view = view
        self.said: list[Mapping[str, Any]] = []

    async def emit(
        self, kind: Kind, step: str = "", attempt: int = 0, /, *, durable: bool = False, **data: Any
    ) -> Event:
        """Keeps diagnostics only."""
        del durable
        self.note(kind, step, attempt, **data)
        return Event("", kind, 0.0, step, attempt, data)

    def note(self, kind: Kind, step: str = "", attempt: int = 0, /, **data: Any) -> None:
        """Keeps diagnostics only."""
        del attempt
        if kind is Kind.DIAGNOSTIC:
            self.said.append({**data, "step": step})


async def survey(castle: Castle, site: Site) -> dict[str, Any]:
    """The mapping that `views.statusview` describes. Starts nothing that is not there."""
    found = await _survey(castle, site)
    return {**found, "alarms": [*found["alarms"], *_drill_left(castle)]}


def _drill_left(castle: Castle) -> list[dict[str, str]]:
    """An alarm for what a drill made and nobody removes: it takes memory from the castle."""
    note = places(castle.name).drill.state / NOTE
    if not note.exists():
        return []
    run = note.read_text().partition(" ")[0].strip()
    if wiring.runner_alive(castle, run):
        return []
    text = f"drill {run} was broken off, or kept for a look, and what it made still stands beside the castle"
    return [{"severity": "warning", "text": text, "mend": f"castle cancel {run}"}]


async def _survey(castle: Castle, site: Site) -> dict[str, Any]:
    found = _frame(castle, site)
    if not is_root():
        return {**found, "unseen": ["machines and treasury: only root can look at them"]}
    where = places(castle.name)
    enclosure = enclosure_of(castle, site, where, LocalExec())
    if not await enclosure.exists():
        return _not_here(castle, found, known=where.journal.exists(), left=enclosure.left())
    try:
        opened = await open_world(castle, site, looking=True)
        try:
            return await _look(castle, site, opened, found)
        finally:
            await opened.close()
    except Unreachable as error:  # says nothing about what is there, so it is no failure of the castle
        return {**found, "unseen": [f"{error.where or 'treasury'}: {error} ({error.why})"]}


def _frame(castle: Castle, site: Site) -> dict[str, Any]:
    budget = {"rto": castle.budget.rto, "rpo": castle.budget.rpo, "proof_max_age": castle.proof_max_age}
    found: dict[str, Any] = {
        "castle": castle.name,
        "site": site.name,
        "budget": budget,
        "state": "unknown",
        "alarms": [],
    }
    try:
        check_filled_in(castle)
    except NotFilledIn as error:
        found["alarms"].append({"severity": "error", "text": f"{error}: {error.why}", "mend": error.hints[0]})
    path = places(castle.name).journal
    with contextlib.suppress(CastleError), JournalReader(path) as reader:
        last = reader.latest()
        if last is not None and RunStatus(last.status) in (RunStatus.RUNNING, RunStatus.FAILED, RunStatus.STOPPED):
            found["run"] = {"id": last.id, "verb": last.verb, "status": last.status}
            found["alarms"] += _broken_off(castle, reader, last)
    return found


def _broken_off(castle: Castle, reader: JournalReader, last: RunInfo) -> list[dict[str, str]]:
    """An alarm for a run that nobody works on and that left the castle between two states."""
    if wiring.runner_alive(castle, last.id):
        return []
    destroyed = reduce(reader.plan(last.id), reader.events(last.id)).passed_no_return
    raising = last.verb in (Verb.RAISE.value, Verb.RESTORE.value)
    if not destroyed and not raising and RunStatus(last.status) is not RunStatus.RUNNING:
        return []  # it ended by itself, and took back what it had done
    world = "it has begun to destroy: the castle is between two lives" if destroyed else "it has destroyed nothing"
    world = "what it raised may stand already" if raising and not destroyed else world
    text = f"run {last.id} ({last.verb}) was broken off, and no process works on it; {world}"
    return [{"severity": "error", "text": text, "mend": "castle resume"}]


def _not_here(castle: Castle, found: Mapping[str, Any], *, known: bool, left: Sequence[str]) -> dict[str, Any]:
    if not known and left:
        return {**found, "state": "partly", "alarms": [*found["alarms"], _orphaned(castle, left)]}
    if not known:
        return {**found, "state": "down", "notes": ["this castle was never raised on this computer"]}
    text = "its network namespace is gone: the computer was started anew, and nobody has handed over the secrets since"
    # A run that was broken off brings up what it needs; a new one would not know what it did.
    mend = next((alarm["mend"] for alarm in found["alarms"]), "castle raise")
    alarm = {"severity": "error", "text": text, "mend": mend}
    return {**found, "state": "down", "alarms": [*found["alarms"], alarm]}


def _orphaned(castle: Castle, left: Sequence[str]) -> dict[str, str]:
    """Somebody deleted the castle's state under it."""
    text = f"its state ({places(castle.name).state}) is gone, and these still stand: {', '.join(left)}"
    # It ends what still runs and brings the last backup home; `down` would take a treasury kept here along.
    return {"severity": "error", "text": text, "mend": "castle rebirth"}


async def _look(castle: Castle, site: Site, opened: Opened, found: dict[str, Any]) -> dict[str, Any]:
    records = RecordStore(opened.world.objects, opened.keys.recipient)
    loaded = await records.load()
    found["addresses"] = doors(opened, loaded[0].addresses if loaded else ())
    if loaded is None:
        return {**found, **_unrecorded(site)}
    record = loaded[0]
    found |= {"life": record.life, "id": record.id}
    if not record.site:
        back = "castle resume" if found["alarms"] else "castle raise"
        found |= {"state": "down", "notes": [f"it was wiped; `{back}` brings it back"]}
        return found | {"treasures": _recorded(record, opened.world.clock.now())}
    if record.computer != str(opened.world.computer["id"]):
        return found | _elsewhere(castle, record)
    shared = shared_of(castle, site, opened, records, record)
    states: list[str] = []
    for seen in await asyncio.gather(*(look_at(shared, layer) for layer in site.layers)):
        _merge(found, seen, states)
    await asyncio.gather(*(driver.close() for driver in shared.drivers.values() if hasattr(driver, "close")))
    found["state"] = _verdict(states)
    return found


async def look_at(shared: Shared, layer: Layer) -> Mapping[str, Any]:
    """One layer, where its driver can be asked."""
    driver: Any = shared.drivers[layer.driver]
    if not hasattr(driver, "look"):
        return {}
    step = Step(f"{layer.id}.look", layer.id, layer.driver, "look", "look", Phase.PREPARE, Effect.READ)
    try:
        seen: Mapping[str, Any] = await driver.look(StepContext(shared, step, 1))
    except CastleError as error:
        return {"unseen": [f"{layer.id}: {error} ({error.why})"], "states": ["unknown"]}
    return seen


def _elsewhere(castle: Castle, record: Record) -> dict[str, Any]:
    """What stands here, if anything does, is an older life: it serves old data and can archive nothing."""
    text = (
        f"life {record.life} stands on another computer ({record.computer}); what is left here is an older life, "
        "locked out of the treasury"
    )
    # With a treasury kept here `down` would take the backups along, and the computer's id may only have changed.
    mend = "castle doctor" if castle.treasury.server else f"castle down --confirm {castle.name}"
    return {"state": "unknown", "addresses": {}, "alarms": [{"severity": "error", "text": text, "mend": mend}]}


def _merge(found: dict[str, Any], seen: Mapping[str, Any], states: list[str]) -> None:
    states.extend(seen.get("states", ()))
    for key in ("machines", "services", "certificates", "alarms", "unseen"):
        found.setdefault(key, []).extend(seen.get(key, ()))
    found.setdefault("treasures", {}).update(seen.get("treasures", {}))


def _verdict(states: Sequence[str]) -> str:
    kinds = set(states)
    if len(kinds) == 1:
        return kinds.pop()
    return "unknown" if "unknown" in kinds or not kinds else "sealed" if "sealed" in kinds else "partly"


def _recorded(record: Record, now: float) -> dict[str, Any]:
    """What the record knows of treasures that do not stand."""
    found: dict[str, Any] = {}
    for layer, lineage in record.lineage.items():
        proof = lineage.get("proof") or {}
        seal = lineage.get("seal") or {}
        found[layer] = {
            "state": "sealed" if seal else "gone",
            "proof": {"label": proof.get("label"), "age": now - proof["at"]} if proof else {},
            "backup": {"label": seal.get("label"), "age": now - seal["at"]} if seal else {},
        }
    return found


def shared_of(
    castle: Castle,
    site: Site,
    opened: Opened,
    records: RecordStore,
    record: Record,
    *,
    verb: Verb = Verb.BACKUP,
    view: RunView | None = None,
) -> Shared:
    """What drivers need to look, outside of a run. `view`: of the run whose facts they are to see; None for no run."""
    request = wiring.request_of(castle, verb, site.name, {})
    drivers, options = wiring.drivers_of(site)
    view = view or RunView.empty(_some_plan(castle, verb, site))
    layers = {layer.id: layer for layer in site.layers}
    return Shared(
        request=request,
        run="look",
        created=opened.world.clock.now(),
        old_life=record.life,
        life=record.life,
        world=opened.world,
        secrets=opened.secrets,
        records=records,
        record=record,
        drivers={**drivers, OwnDriver.name: OwnDriver()},
        options=options,
        bus=Quiet(view),
        ground=layer_with(drivers, layers, "machine"),
        foundations=layer_with(drivers, layers, "cluster"),
        layers=layers,
    )


def _unrecorded(site: Site) -> dict[str, Any]:
    """What is known of a castle without a record: nothing stands, unless others run what it only rehearses."""
    text = "the treasury has no record of this castle"
    if unrecorded(site):
        adopt = "`castle raise --adopt` writes one (see `castle plan raise`)"
        return {"state": "unknown", "notes": [f"{text}, and so nobody looked; {adopt}"]}
    return {"state": "down", "notes": [text]}


def _some_plan(castle: Castle, verb: Verb, site: Site) -> Plan:
    """A plan of the verb; where the site's drivers refuse that, of one that none refuses: for a look it is enough."""
    try:
        return wiring.offline_plan(castle, verb, site.name, {})
    except Refused:
        return wiring.offline_plan(castle, Verb.RAISE, site.name, {})


async def doctor(castle: Castle | None, site: Site | None) -> list[Check]:
    """This computer; with a castle also key file, treasury and what it can do."""
    checks = list(await computer_checks())
    if castle is None or site is None:
        return checks
    if not is_root():
        return [*checks, Check("treasury", None, "not looked at: needs root", "sudo castle doctor", "treasury")]
    try:
        opened = await open_world(castle, site)
    except CastleError as error:
        mend = error.hints[-1] if error.hints else ""
        return [*checks, Check("treasury", False, f"{error.message}: {error.why}".rstrip(": "), mend, "treasury")]
    try:
        here = str(places(castle.name).treasury) if castle.treasury.server == "here" else ""
        checks += await treasury_checks(opened.world.objects, here=here)  # type: ignore[arg-type]  # worlds makes S3Objects
        accounts = opened.world.identities is not None
        fact = "every life gets its own writer" if accounts else "lives share one key: an old one cannot be revoked"
        checks.append(Check("accounts", True if accounts else None, fact, "", "treasury"))
    except CastleError as error:
        mend = error.hints[-1] if error.hints else ""
        checks.append(Check("treasury", False, f"{error.message}: {error.why}".rstrip(": "), mend, "treasury"))
    else:
        checks += await _examined(castle, site, opened)
    finally:
        await opened.close()
    return checks


async def _examined(castle: Castle, site: Site, opened: Opened) -> list[Check]:
    """What the drivers say, of a castle that may never have been raised."""
    records = RecordStore(opened.world.objects, opened.keys.recipient)
    loaded = await records.load()
    record = loaded[0] if loaded else Record(id="", name=castle.name, recipient=opened.keys.recipient)
    shared = shared_of(castle, site, opened, records, record)
    try:
        return await examined(castle, site, shared)
    finally:
        await asyncio.gather(*(driver.close() for driver in shared.drivers.values() if hasattr(driver, "close")))

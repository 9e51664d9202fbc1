"""Castle's own steps: the record, and the identities of the treasury. A driver of the layer "castle"."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ephemeral_castle.engine import drill, preflight
from ephemeral_castle.engine.context import Shared, StepContext
from ephemeral_castle.engine.lineage import arrived, joined, sealed_layers, unsealed
from ephemeral_castle.errors import CastleError, Refused
from ephemeral_castle.model.castle import Layer, Verb
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.step import Effect, Observation, Phase, State, Step
from ephemeral_castle.spi.driver import Context, Request
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.spi.world import Rights

REACHED, NOT_REACHED = State.REACHED, State.NOT_REACHED
NEW_LIFE = (Verb.REBIRTH, Verb.RAISE)
SEALING = (Verb.REBIRTH, Verb.WIPE, Verb.SEAL)


class OwnDriver:
    """Plans and performs the steps that belong to no layer."""

    name = "castle"
    Options: Any = None

    def __init__(self) -> None:
        self.shared: Shared | None = None

    def plan(self, layer: Layer, options: Any, request: Request, /) -> Sequence[Step]:
        """Writer identity, record of the seal, revocation of the old writer, record of the new life."""
        del options
        if request.verb is Verb.DRILL:
            return drill.plan(layer, request)
        steps = [*self._sealing(layer, request), *self._new_life(layer, request), *self._recording(layer, request)]
        if request.verb is Verb.REBIRTH:
            title = "ask what the castle stands on"
            steps.insert(0, self._step(layer, "preflight", title, Phase.PREPARE, effect=Effect.READ))
        return steps

    def _sealing(self, layer: Layer, request: Request) -> list[Step]:
        steps: list[Step] = []
        if request.verb in SEALING:
            title = "bring the treasury's objects to its disk"
            steps.append(self._step(layer, "settle", title, Phase.PROVE, needs=_each(request, "proven:{}?")))
            needs = (*_each(request, "sealed:{}?"), f"{layer.id}.settle")
            title = "write the seal into the record"
            seal = self._step(layer, "record-seal", title, Phase.SEAL, effect=Effect.ONCE, needs=needs)
            # A seal that was taken back must not stay in the record: a later death would bring back its moment only.
            steps.append(dataclasses.replace(seal, undo=True))
        if request.verb in (*SEALING, Verb.RAISE, Verb.RESTORE):
            title = "take an old seal out of the record"
            phase = Phase.RESTORE if request.verb is Verb.RAISE else Phase.PROVE
            unseal = self._step(layer, "unseal", title, phase, needs=_each(request, "{}.survey?"))
            steps.append(dataclasses.replace(unseal, provides=("unsealed",)))
        return steps

    def _new_life(self, layer: Layer, request: Request) -> list[Step]:
        if request.verb not in NEW_LIFE:
            return []
        writer = self._step(layer, "writer", "give the new life its own writer identity", Phase.PREPARE)
        title = "revoke the old life's writer identity"
        revoke = self._step(layer, "revoke", title, Phase.APPLY, effect=Effect.IRREVERSIBLE, needs=(writer.id,))
        title = "announce the new timeline in the record"
        arrived = _each(request, "arrived:{}?")
        announce = self._step(layer, "announce", title, Phase.RESTORE, effect=Effect.ONCE, needs=arrived)
        title = "doors for people on this computer's loopback"
        doors = self._step(
            layer, "doors", title, Phase.OPEN, needs=(*_each(request, "address:{}?"), *_each(request, "serving:{}?"))
        )
        return [
            dataclasses.replace(writer, undo=True, recheck=True),
            dataclasses.replace(revoke, provides=("old-writer-revoked",)),
            dataclasses.replace(announce, provides=("announced",)),
            dataclasses.replace(doors, provides=("doors",), recheck=True),
        ]

    def _recording(self, layer: Layer, request: Request) -> list[Step]:
        make = partial(self._step, layer, effect=Effect.ONCE)
        steps: list[Step] = []
        if request.verb in NEW_LIFE or (request.verb is Verb.RESTORE and not request.side):
            # Without a probe nothing is served, and a life stands when its machines and treasures do.
            stands = ("served?", "doors?", "machine:*", *_each(request, "arrived:{}?"), *_each(request, "open:{}?"))
            steps.append(make("record-life", "write the new life into the record", Phase.VERIFY, needs=stands))
        if request.verb is Verb.BACKUP and request.prove:
            proven = _each(request, "proven:{}?")
            steps.append(make("record-proof", "write the proof into the record", Phase.PROVE, needs=proven))
        if request.verb is Verb.WIPE:
            steps.append(make("record-wipe", "write the wipe into the record", Phase.VERIFY))
        return steps

    def _step(
        self,
        layer: Layer,
        action: str,
        title: str,
        phase: Phase,
        *,
        effect: Effect = Effect.CONVERGE,
        needs: tuple[str, ...] = (),
    ) -> Step:
        return Step(
            f"{layer.id}.{action}",
            layer.id,
            self.name,
            action,
            title,
            phase,
            effect,
            needs=needs,
            exact=True,
            deadline=60,
        )

    async def observe(self, step: Step, ctx: Context, /) -> Observation:
        """Looks at the record and at the treasury's accounts."""
        record = ctx.record
        match step.action:
            case drill.MAKE | drill.REMOVE:
                return await drill.observe(step, ctx)
            case "preflight":
                return await preflight.observe(ctx, self._shared(ctx))
            case "writer":
                return await self._see_writer(ctx)
            case "record-seal":
                return Observation(REACHED if self._seal_recorded(ctx) else NOT_REACHED)
            case "record-proof":
                new = {name: facts["proof"] for name, facts in self._proven(ctx).items()}
                known = {name: (record.lineage.get(name, {}).get("proof") or {}).get("at", 0) for name in new}
                done = all(known[name] >= proof["at"] for name, proof in new.items())  # a newer one is as good
                return Observation(REACHED if done else NOT_REACHED, "", {"proven": new})
            case "announce":
                missing = [name for name in self._arriving(ctx) if not record.lineage.get(name, {}).get("arriving")]
                return Observation(NOT_REACHED if missing else REACHED)
            case "settle":
                return Observation(NOT_REACHED)
            case "unseal":
                return Observation(NOT_REACHED if _open_seals(ctx) else REACHED)
            case "revoke":
                return await self._see_revoked(ctx)
            case "doors":
                return Observation(NOT_REACHED)
            case "record-wipe":
                return Observation(REACHED if not record.site else NOT_REACHED)
            case _:
                done = record.life == ctx.life and record.pending_life == 0 and record.run == ctx.run
                return Observation(REACHED if done else NOT_REACHED, facts={"life": ctx.life})

    async def act(self, step: Step, ctx: Context, /) -> Observation | None:
        """Changes the record by compare-and-swap, or an account."""
        match step.action:
            case drill.MAKE | drill.REMOVE:
                return await drill.act(step, ctx)
            case "writer":
                await self._mint(ctx)
            case "record-seal":
                await self._record_seal(ctx)
            case "revoke":
                return await self._revoke(ctx)
            case "settle":
                return Observation(REACHED, f"{await ctx.world.settle()} files")
            case "doors":
                return await self._open_doors(ctx)
            case "unseal":
                layers = _open_seals(ctx)
                await self._save(ctx, lambda r: unsealed(r, [name for name in layers if r.lineage[name].get("seal")]))
            case "record-proof":
                proven = self._proven(ctx)
                await self._save(ctx, lambda r: dataclasses.replace(r, lineage=joined(r.lineage, proven)))
            case "announce":
                arriving = self._arriving(ctx)
                await self._save(ctx, lambda r: dataclasses.replace(r, lineage=joined(r.lineage, arriving)))
            case "record-wipe":
                await self._save(ctx, lambda r: dataclasses.replace(r, site="", computer="", run=ctx.run))
            case _:
                await self._record_life(ctx)
        return None

    async def undo(self, step: Step, ctx: Context, /) -> str:
        """Takes this run's seal out of the record again, before anybody may write behind it; or an unused writer."""
        if step.action == "writer":
            return await self._unmint(ctx)
        if step.action == drill.MAKE:
            return await drill.undo(ctx)

        def change(record: Record) -> Record:
            mine = [name for name, known in record.lineage.items() if (known.get("seal") or {}).get("run") == ctx.run]
            return dataclasses.replace(unsealed(record, mine), pending_life=0)

        await self._save(ctx, change)
        return "the record names no seal"

    async def _see_writer(self, ctx: Context) -> Observation:
        identities = ctx.world.identities
        name = writer_name(ctx.record, ctx.life)
        if identities is None and ctx.record.writers:
            raise Refused(
                "the treasury's accounts cannot be managed any more",
                why=f"the record names {', '.join(ctx.record.writers.values())}; the account interface refuses our key",
                state="nothing was changed",
                hints=["look at the access key in the key file", "castle doctor"],
            )
        if identities is None:
            text = "this treasury has no accounts that castle can manage: every life writes with the same key"
            ctx.diagnostic("warning", text)
            return Observation(REACHED, waived=text)
        known = ctx.record.writers.get(str(ctx.life)) == name
        known = known and await ctx.secrets.get(f"writer/{ctx.life}") is not None
        known = known and await identities.may_write(name, rights_of(self._shared(ctx)))
        return Observation(REACHED if known else NOT_REACHED, facts={"writer": name} if known else {})

    async def _mint(self, ctx: Context) -> None:
        identities = ctx.world.identities
        if identities is None:
            return
        secret = await ctx.secrets.get(f"writer/{ctx.life}")
        if secret is None:
            secret = Secret(secrets.token_hex(20))
            await ctx.secrets.put(f"writer/{ctx.life}", secret)
        name = writer_name(ctx.record, ctx.life)
        await ctx.intent("create account", account=name)
        await identities.mint_writer(name, secret.reveal(), rights_of(self._shared(ctx)))
        await self._save(
            ctx, lambda r: dataclasses.replace(r, writers={**r.writers, str(ctx.life): name}, run=r.run or ctx.run)
        )

    async def _unmint(self, ctx: Context) -> str:
        """Removes the account of a life that never began; it is harmless, and so what fails here is only told."""
        name = ctx.record.writers.get(str(ctx.life))
        if ctx.world.identities is None or name is None:
            return "there was no account to remove"
        if ctx.life in (ctx.old_life, ctx.record.life):
            return "the writer of the life that stands stays"
        if _raising(self._shared(ctx)):
            return f"{name} stays: what was raised may use it"
        try:
            await ctx.world.identities.revoke(name)
            kept = {life: other for life, other in ctx.record.writers.items() if other != name}
            await self._save(ctx, lambda r: dataclasses.replace(r, writers=kept))
        except CastleError as error:
            text = f"the unused account {name} could not be removed ({error.message}); the next run takes it over"
            ctx.diagnostic("warning", text)
            return text
        return f"{name} removed"

    async def _see_revoked(self, ctx: Context) -> Observation:
        identities = ctx.world.identities
        if identities is None:
            return Observation(REACHED, waived="this treasury cannot revoke a writer")
        old = {life: name for life, name in ctx.record.writers.items() if life != str(ctx.life)}
        living = [name for name in old.values() if await identities.exists(name)]
        if living:
            return Observation(NOT_REACHED, f"{', '.join(living)} may still write")
        return Observation(REACHED, "no older life can write", {"revoked": sorted(old.values())})

    async def _revoke(self, ctx: Context) -> Observation:
        identities = ctx.world.identities
        revoked: list[str] = []
        for life, name in ctx.record.writers.items():
            if life != str(ctx.life) and identities is not None:
                await identities.revoke(name)
                revoked.append(name)
        kept = {str(ctx.life): ctx.record.writers.get(str(ctx.life), "")}
        await self._save(ctx, lambda r: dataclasses.replace(r, writers={k: v for k, v in kept.items() if v}))
        return Observation(REACHED, "revoked " + (", ".join(revoked) or "nobody"), {"revoked": revoked})

    async def _open_doors(self, ctx: Context) -> Observation:
        opened: dict[str, str] = {}
        for view in self._shared(ctx).view.steps.values():
            for name, where in view.facts.get("inside", {}).items():
                port = await ctx.world.publish(name, where["address"], where["port"])
                opened[name] = f"127.0.0.1:{port}"
        return Observation(REACHED, ", ".join(f"{k} {v}" for k, v in opened.items()), {"addresses": opened})

    def _proven(self, ctx: Context) -> dict[str, Any]:
        """What this run has proven, by layer."""
        found = {layer.id: _gather(self._shared(ctx), f"sealed:{layer.id}") for layer in ctx.request.site.layers}
        by = {"by": "drill"} if ctx.request.verb is Verb.DRILL else {}
        return {name: {**facts, "proof": {**facts["proof"], **by}} for name, facts in found.items() if "proof" in facts}

    def _arriving(self, ctx: Context) -> dict[str, Any]:
        """Timelines that this run is about to begin, by layer."""
        found = {layer.id: _gather(self._shared(ctx), f"arriving:{layer.id}") for layer in ctx.request.site.layers}
        return {name: {"arriving": facts} for name, facts in found.items() if facts}

    def _seal_recorded(self, ctx: Context) -> bool:
        """Whether the record holds just the seals of this run as they are now: an undone one was another."""
        record = ctx.record
        if record.pending_life != _pending(ctx) or record.run != ctx.run:
            return False
        for layer in ctx.request.site.layers:
            seal = _gather(self._shared(ctx), f"sealed:{layer.id}").get("seal")
            if seal and (record.lineage.get(layer.id, {}).get("seal") or {}).get("mark") != seal["mark"]:
                return False
        return True

    async def _record_seal(self, ctx: Context) -> None:
        found = {layer.id: _gather(self._shared(ctx), f"sealed:{layer.id}") for layer in ctx.request.site.layers}
        seals = {name: facts for name, facts in found.items() if facts}
        pending = _pending(ctx)

        def change(record: Record) -> Record:  # a drill may have written its proof meanwhile
            return dataclasses.replace(record, lineage=joined(record.lineage, seals), pending_life=pending, run=ctx.run)

        await self._save(ctx, change)
        await ctx.world.settle()  # the record; what it names is there already: it was settled before it was read back

    async def _record_life(self, ctx: Context) -> None:
        shared = self._shared(ctx)
        addresses: dict[str, Any] = {}
        inventory: list[Any] = []
        for view in shared.view.steps.values():
            inventory.extend(view.facts.get("created", ()))
            addresses.update(view.facts.get("addresses", {}))
        found = {layer.id: _gather(shared, f"home:{layer.id}") for layer in ctx.request.site.layers}
        born = {name: facts for name, facts in found.items() if facts}

        def change(record: Record) -> Record:
            return dataclasses.replace(
                record,
                life=ctx.life,
                pending_life=0,
                site=ctx.request.site.name,
                computer=str(ctx.world.computer["id"]),
                inventory={str(ctx.life): inventory or record.inventory.get(str(ctx.life), [])},
                lineage=arrived(record.lineage, born),
                addresses=addresses or record.addresses,
                run=ctx.run,
            )

        await self._save(ctx, change)

    async def _save(self, ctx: Context, change: Any) -> None:
        shared = self._shared(ctx)
        shared.record = await shared.records.update(change)

    @staticmethod
    def _shared(ctx: Context) -> Shared:
        if not isinstance(ctx, StepContext):
            raise TypeError("castle's own steps run inside the engine only")
        return ctx.shared


def _each(request: Request, token: str) -> tuple[str, ...]:
    """A capability of every layer."""
    return tuple(token.format(layer.id) for layer in request.site.layers)


def writer_name(record: Record, life: int) -> str:
    """Access key id of a life's writer: `castle-<first 8 of the id>-<life>`."""
    return f"castle-{record.id[:8]}-{life}"


def rights_of(shared: Shared) -> list[Rights]:
    """What the writer of a life may do: for each layer whose driver writes into the treasury."""
    known: Mapping[str, Any] = shared.drivers
    found = ((layer, known[layer.driver]) for layer in shared.request.site.layers if layer.driver in known)
    return [driver.rights(layer) for layer, driver in found if hasattr(driver, "rights")]


def _raising(shared: Shared) -> bool:
    """Whether anything of the new life was begun."""
    view = shared.view
    begun = (view.plan.by_id[name] for name, step in view.steps.items() if step.begun_at is not None)
    return any(step.phase in (Phase.APPLY, Phase.RESTORE, Phase.OPEN, Phase.VERIFY) for step in begun)


def _pending(ctx: Context) -> int:
    """The life that the record announces with the seal."""
    return ctx.life if ctx.request.verb is Verb.REBIRTH else 0


def _open_seals(ctx: Context) -> list[str]:
    """Layers that are sealed in the record while their treasure stands and will be opened or sealed anew."""
    if ctx.request.verb is Verb.RAISE:
        return sealed_layers(ctx.record, ctx.life)
    sealed = sealed_layers(ctx.record, ctx.old_life)
    others = [name for name in sealed if ctx.record.lineage[name]["seal"]["run"] != ctx.run]
    present = [name for name in others if ctx.facts(f"{name}.survey").get("presence") == "present"]
    # A restore of some treasures opens the castle again: what others write from then on lies behind their seal.
    left_out = [name for name in others if not ctx.request.concerns(name) and not ctx.request.side]
    return [*present, *left_out]


def _gather(shared: Shared, key: str) -> dict[str, Any]:
    """Facts that steps published under `sealed:LAYER` or `home:LAYER`."""
    found: dict[str, Any] = {}
    for view in shared.view.steps.values():
        found.update(view.facts.get(key, {}))
    return found

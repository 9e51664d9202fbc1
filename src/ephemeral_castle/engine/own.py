"""Castle's own steps: the record, and the identities of the treasury. A driver of the layer "castle"."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence
from typing import Any

from ephemeral_castle.engine.context import Shared, StepContext
from ephemeral_castle.model.castle import Layer, Verb
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.step import Effect, Observation, Phase, State, Step
from ephemeral_castle.spi.driver import Context, Request
from ephemeral_castle.spi.secret import Secret

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
        steps: list[Step] = []
        if request.verb in NEW_LIFE:
            steps.append(self._step(layer, "writer", "give the new life its own writer identity", Phase.PREPARE))
        if request.verb in SEALING:
            proven = tuple(f"proven:{name.id}?" for name in request.site.layers)
            title = "bring the treasury's objects to its disk"
            steps.append(self._step(layer, "settle", title, Phase.PROVE, needs=proven))
            needs = (*(f"sealed:{name.id}?" for name in request.site.layers), f"{layer.id}.settle")
            title = "write the seal into the record"
            seal = self._step(layer, "record-seal", title, Phase.SEAL, effect=Effect.ONCE, needs=needs)
            # A seal that was taken back must not stay in the record: a later death would bring back its moment only.
            steps.append(dataclasses.replace(seal, undo=True))
        if request.verb is Verb.RAISE:
            title = "take an old seal out of the record"
            unseal = self._step(layer, "unseal", title, Phase.RESTORE)
            steps.append(dataclasses.replace(unseal, provides=("unsealed",)))
        if request.verb in NEW_LIFE:
            title = "revoke the old life's writer identity"
            revoke = self._step(layer, "revoke", title, Phase.APPLY, effect=Effect.IRREVERSIBLE)
            steps.append(dataclasses.replace(revoke, provides=("old-writer-revoked",), needs=("castle.writer",)))
            needs = tuple(f"address:{layer.id}?" for layer in request.site.layers)
            title = "doors for people on this computer's loopback"
            doors = self._step(layer, "doors", title, Phase.OPEN, needs=needs)
            steps.append(dataclasses.replace(doors, provides=("doors",), recheck=True))
        if request.verb in NEW_LIFE or (request.verb is Verb.RESTORE and not request.side):
            title = "write the new life into the record"
            steps.append(self._step(layer, "record-life", title, Phase.VERIFY, effect=Effect.ONCE, needs=("served?",)))
        if request.verb is Verb.WIPE:
            title = "write the wipe into the record"
            steps.append(self._step(layer, "record-wipe", title, Phase.VERIFY, effect=Effect.ONCE))
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
            case "writer":
                return await self._see_writer(ctx)
            case "record-seal":
                done = record.pending_life == _pending(ctx) and record.run == ctx.run
                return Observation(REACHED if done else NOT_REACHED)
            case "settle":
                return Observation(NOT_REACHED)
            case "unseal":
                return Observation(NOT_REACHED if _sealed_layers(record, ctx.life) else REACHED)
            case "revoke":
                return await self._see_revoked(ctx)
            case "doors":
                return Observation(NOT_REACHED)
            case "record-wipe":
                return Observation(REACHED if not record.site else NOT_REACHED)
            case _:
                done = record.life == ctx.life and record.pending_life == 0 and record.run == ctx.run
                return Observation(REACHED if done else NOT_REACHED)

    async def act(self, step: Step, ctx: Context, /) -> Observation | None:
        """Changes the record by compare-and-swap, or an account."""
        match step.action:
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
                await self._save(ctx, lambda r: _unsealed(r, _sealed_layers(r, r.life)))
            case "record-wipe":
                await self._save(ctx, lambda r: dataclasses.replace(r, site="", computer="", run=ctx.run))
            case _:
                await self._record_life(ctx)
        return None

    async def undo(self, step: Step, ctx: Context, /) -> str:
        """Takes this run's seal out of the record again, before anybody may write behind it."""

        def change(record: Record) -> Record:
            mine = [name for name, known in record.lineage.items() if (known.get("seal") or {}).get("run") == ctx.run]
            return dataclasses.replace(_unsealed(record, mine), pending_life=0)

        await self._save(ctx, change)
        return "the record names no seal"

    async def _see_writer(self, ctx: Context) -> Observation:
        identities = ctx.world.identities
        name = writer_name(ctx.record, ctx.life)
        if identities is None:
            text = "this treasury has no accounts that castle can manage: every life writes with the same key"
            ctx.diagnostic("warning", text)
            return Observation(REACHED, waived=text)
        recorded = ctx.record.writers.get(str(ctx.life)) == name
        known = recorded and await ctx.secrets.get(f"writer/{ctx.life}") is not None and await identities.exists(name)
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
        await identities.mint_writer(name, secret.reveal(), repository_paths(ctx))
        await self._save(
            ctx, lambda r: dataclasses.replace(r, writers={**r.writers, str(ctx.life): name}, run=r.run or ctx.run)
        )

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

    async def _record_seal(self, ctx: Context) -> None:
        shared = self._shared(ctx)
        lineage = {**ctx.record.lineage}
        for layer in ctx.request.site.layers:
            lineage[layer.id] = {**lineage.get(layer.id, {}), **_gather(shared, f"sealed:{layer.id}")}
        lineage = {key: value for key, value in lineage.items() if value}
        pending = _pending(ctx)
        await self._save(ctx, lambda r: dataclasses.replace(r, lineage=lineage, pending_life=pending, run=ctx.run))
        await ctx.world.settle()  # the last segments and this record: a power cut must not take them back

    async def _record_life(self, ctx: Context) -> None:
        shared = self._shared(ctx)
        lineage = {**ctx.record.lineage}
        addresses: dict[str, Any] = {}
        inventory: list[Any] = []
        for view in shared.view.steps.values():
            inventory.extend(view.facts.get("created", ()))
            addresses.update(view.facts.get("addresses", {}))
        for layer in ctx.request.site.layers:
            born = _gather(shared, f"home:{layer.id}")
            if born:
                lineage[layer.id] = {**lineage.get(layer.id, {}), **born}

        def change(record: Record) -> Record:
            return dataclasses.replace(
                record,
                life=ctx.life,
                pending_life=0,
                site=ctx.request.site.name,
                computer=str(ctx.world.computer["id"]),
                inventory={str(ctx.life): inventory or record.inventory.get(str(ctx.life), [])},
                lineage=lineage,
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


def writer_name(record: Record, life: int) -> str:
    """Access key id of a life's writer: `castle-<first 8 of the id>-<life>`."""
    return f"castle-{record.id[:8]}-{life}"


def repository_paths(ctx: Context) -> list[str]:
    """Where the writer may replace pgBackRest's two changing objects, for every treasure."""
    prefix = ctx.world.access.prefix
    return [f"{prefix}/pgbackrest/{layer.id}/backup/castle" for layer in ctx.request.site.layers]


def _pending(ctx: Context) -> int:
    """The life that the record announces with the seal."""
    return ctx.life if ctx.request.verb is Verb.REBIRTH else 0


def _sealed_layers(record: Record, life: int) -> list[str]:
    """Layers whose seal ended this life."""
    return [name for name, known in record.lineage.items() if (known.get("seal") or {}).get("life") == life]


def _unsealed(record: Record, layers: Sequence[str]) -> Record:
    """The record without seals of a life that goes on; how far its history must reach at least stays known."""
    lineage = dict(record.lineage)
    for name in layers:
        kept = dict(lineage[name])
        mark = kept.pop("seal")["mark"]
        lineage[name] = {**kept, "mark": mark["lsn"], "timeline": int(mark["timeline"])}
    return dataclasses.replace(record, lineage=lineage)


def _gather(shared: Shared, key: str) -> dict[str, Any]:
    """Facts that steps published under `sealed:LAYER` or `home:LAYER`."""
    found: dict[str, Any] = {}
    for view in shared.view.steps.values():
        found.update(view.facts.get(key, {}))
    return found

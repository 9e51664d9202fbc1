"""Scripted drivers over the infrastructure in memory: machines, a database, a probe."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ephemeral_castle.errors import Permanent, Refused
from ephemeral_castle.model.castle import Layer, Verb
from ephemeral_castle.model.step import Effect, Observation, Phase, Retry, State, Step
from ephemeral_castle.spi.driver import Context, Request
from tests.scenario.infra import Database, Infrastructure

REACHED, NOT_REACHED, FOREIGN = State.REACHED, State.NOT_REACHED, State.FOREIGN
READ, CONVERGE, ONCE, IRREVERSIBLE = Effect.READ, Effect.CONVERGE, Effect.ONCE, Effect.IRREVERSIBLE
ACT_SECONDS, LOOK_SECONDS = 1.0, 0.01

Cue = Exception | Observation | Callable[[], Any] | None


class Script:
    """What happens instead of the usual, by step and by "observe", "act" or "undo", one cue for each call.

    An exception is raised, an observation is given, a function is called (and awaited) first; None is the usual.
    """

    def __init__(self) -> None:
        self.cues: dict[tuple[str, str], list[Cue]] = {}
        self.calls: list[tuple[str, str]] = []

    def on(self, step: str, what: str, *cues: Cue) -> None:
        self.cues[step, what] = list(cues)

    async def next(self, step: str, what: str) -> Observation | None:
        self.calls.append((step, what))
        cue = self.cues[step, what].pop(0) if self.cues.get((step, what)) else None
        if isinstance(cue, Exception):
            raise cue
        if isinstance(cue, Observation):
            return cue
        if cue is not None:
            answer = cue()
            if inspect.isawaitable(answer):
                await answer
        return None


class Player:
    """A driver whose steps are methods: `see_NAME` and `do_NAME`, `undo_NAME`."""

    name = "player"
    Options: Any = None

    def __init__(self, infra: Infrastructure, script: Script) -> None:
        self.infra, self.script = infra, script
        self.closed = 0

    def step(self, layer: Layer, action: str, phase: Phase, effect: Effect, needs: str = "", **more: Any) -> Step:
        full = tuple(
            n if ":" in n or "." in n or n == "old-writer-revoked" else f"{layer.id}.{n}" for n in needs.split()
        )
        more.setdefault("deadline", 30.0)
        more.setdefault("retry", Retry(attempts=3, delay=0.5, factor=2.0, ceiling=5.0))
        return Step(
            f"{layer.id}.{action}", layer.id, self.name, action, action, phase, effect, needs=full, exact=True, **more
        )

    def plan(self, layer: Layer, options: Any, request: Request, /) -> Sequence[Step]:
        raise NotImplementedError

    def _method(self, prefix: str, step: Step) -> Callable[[Step, Context], Awaitable[Any]]:
        found: Callable[[Step, Context], Awaitable[Any]] = getattr(self, f"{prefix}_{step.action.replace('-', '_')}")
        return found

    async def observe(self, step: Step, ctx: Context, /) -> Observation:
        self.infra.power.check()
        await ctx.world.clock.sleep(LOOK_SECONDS)
        self.infra.power.check()
        given = await self.script.next(step.id, "observe")
        seen: Observation = given or await self._method("see", step)(step, ctx)
        return seen

    async def act(self, step: Step, ctx: Context, /) -> Observation | None:
        self.infra.power.check()
        await ctx.world.clock.sleep(ACT_SECONDS / 2)
        self.infra.power.check()
        given = await self.script.next(step.id, "act")
        seen: Observation | None = given or await self._method("do", step)(step, ctx)
        await ctx.world.clock.sleep(ACT_SECONDS / 2)
        self.infra.power.check()
        return seen

    async def undo(self, step: Step, ctx: Context, /) -> str:
        self.infra.power.check()
        await ctx.world.clock.sleep(LOOK_SECONDS)
        await self.script.next(step.id, "undo")
        text: str = await self._method("undo", step)(step, ctx)
        return text

    async def close(self) -> None:
        self.closed += 1


class Ground(Player):
    """Machines: `data` and `edge`."""

    name = "ground"

    def plan(self, layer: Layer, options: Any, request: Request, /) -> Sequence[Step]:
        steps = [self.step(layer, "check", Phase.PREPARE, READ)]
        if request.verb in (Verb.REBIRTH, Verb.WIPE):
            steps.append(self.step(layer, "inventory", Phase.DESTROY, READ, "check"))
            steps.append(self.step(layer, "destroy", Phase.DESTROY, IRREVERSIBLE, "inventory", clock="destroy"))
        if request.verb is Verb.REBIRTH:
            for name in ("data", "edge"):
                more = {"provides": (f"machine:{name}",), "params": {"v": 1, "machine": name}}
                steps.append(self.step(layer, f"create-{name}", Phase.APPLY, CONVERGE, "check", **more))
        return steps

    def _method(self, prefix: str, step: Step) -> Callable[[Step, Context], Awaitable[Any]]:
        if step.action.startswith("create-"):
            return self.see_create if prefix == "see" else self.do_create
        return super()._method(prefix, step)

    async def see_check(self, step: Step, ctx: Context) -> Observation:
        return Observation(REACHED)

    async def see_inventory(self, step: Step, ctx: Context) -> Observation:
        ours = [box.id for box in self.infra.boxes.values() if box.mark == ctx.record.id and box.life == ctx.old_life]
        return Observation(REACHED, facts={"inventory": ours})

    async def see_destroy(self, step: Step, ctx: Context) -> Observation:
        left = [each for each in ctx.facts("machines.inventory")["inventory"] if each in self.infra.boxes]
        return Observation(NOT_REACHED if left else REACHED, ", ".join(left))

    async def do_destroy(self, step: Step, ctx: Context) -> None:
        for each in ctx.facts("machines.inventory")["inventory"]:
            if each in self.infra.boxes:
                self.infra.delete(each)
                await ctx.world.clock.sleep(0.1)

    async def see_create(self, step: Step, ctx: Context) -> Observation:
        box = self.infra.box(step.params["machine"], ctx.life)
        facts = {"created": [{"kind": "box", "id": box.id}]} if box else {}
        return Observation(REACHED if box else NOT_REACHED, facts=facts)

    async def do_create(self, step: Step, ctx: Context) -> None:
        await ctx.intent("create", name=step.params["machine"])
        self.infra.create(step.params["machine"], ctx.life)


class Treasure(Player):
    """A database with marker, backup, proof, fence, seal, and its way home."""

    name = "treasure"

    def plan(self, layer: Layer, options: Any, request: Request, /) -> Sequence[Step]:
        def step(action: str, phase: Phase, effect: Effect, needs: str = "", **more: Any) -> Step:
            return self.step(layer, action, phase, effect, needs, **more)

        steps = [
            step("prover", Phase.PREPARE, CONVERGE, recheck=True),
            step("marker", Phase.PROVE, ONCE, "prover"),
            step("backup", Phase.PROVE, ONCE, "marker"),
            step("proof", Phase.PROVE, ONCE, "backup"),
            step("fence", Phase.SEAL, ONCE, "proof", undo=True, recheck=True, clock="cut"),
            step("digest", Phase.SEAL, READ, "fence"),
            step("mark", Phase.SEAL, ONCE, "fence"),
            step("readback", Phase.SEAL, READ, "mark"),
            step(
                "stop", Phase.SEAL, ONCE, "digest readback", undo=True, recheck=True, provides=(f"sealed:{layer.id}",)
            ),
        ]
        if request.verb is not Verb.REBIRTH:
            return steps
        return [
            *steps,
            step("home", Phase.RESTORE, IRREVERSIBLE, "machine:data castle.writer"),
            step("promote", Phase.RESTORE, IRREVERSIBLE, "home old-writer-revoked"),
            step("data-proof", Phase.RESTORE, READ, "home"),
            step("pooler", Phase.RESTORE, CONVERGE, "machine:edge", provides=(f"address:{layer.id}",)),
            step("lift", Phase.OPEN, ONCE, "promote data-proof pooler", provides=(f"open:{layer.id}",)),
            step("backup-after", Phase.VERIFY, ONCE, f"lift served:{layer.id}?"),
        ]

    def old(self, ctx: Context) -> Database:
        found = self.infra.database(ctx.old_life)
        if found is None:
            raise Permanent("the old database was asked for after its end")
        return found

    def new(self, ctx: Context) -> Database | None:
        return self.infra.database(ctx.life)

    async def see_prover(self, step: Step, ctx: Context) -> Observation:
        return Observation(REACHED if self.infra.prover == ctx.run else NOT_REACHED)

    async def do_prover(self, step: Step, ctx: Context) -> None:
        self.infra.prover = ctx.run
        self.infra.did("prover")

    async def see_marker(self, step: Step, ctx: Context) -> Observation:
        return Observation(REACHED if ctx.run in self.old(ctx).markers else NOT_REACHED)

    async def do_marker(self, step: Step, ctx: Context) -> None:
        self.old(ctx).markers.add(ctx.run)
        self.infra.did("marker", once=True)

    async def see_backup(self, step: Step, ctx: Context) -> Observation:
        return Observation(REACHED if ctx.run in self.infra.backups else NOT_REACHED, facts={"label": ctx.run})

    async def do_backup(self, step: Step, ctx: Context) -> None:
        self.infra.backups[ctx.run] = list(self.old(ctx).rows)
        self.infra.did("backup", once=True)

    async def see_proof(self, step: Step, ctx: Context) -> Observation:
        return Observation(REACHED if ctx.run in self.infra.proven else NOT_REACHED)

    async def do_proof(self, step: Step, ctx: Context) -> None:
        self._ask_prover(ctx)
        self.infra.proven.add(str(ctx.facts("database.backup")["label"]))
        self.infra.did("proof", once=True)

    def _ask_prover(self, ctx: Context) -> None:
        if self.infra.prover != ctx.run:
            raise Permanent("the container for proofs is gone")

    async def see_fence(self, step: Step, ctx: Context) -> Observation:
        database = self.old(ctx)
        return Observation(REACHED if database.fenced or not database.running else NOT_REACHED)

    async def do_fence(self, step: Step, ctx: Context) -> None:
        self.old(ctx).fenced = True
        self.infra.did("fence")

    async def undo_fence(self, step: Step, ctx: Context) -> str:
        self.old(ctx).fenced = False
        self.infra.did("lift the fence")
        return "fence lifted"

    async def see_digest(self, step: Step, ctx: Context) -> Observation:
        return Observation(NOT_REACHED)

    async def do_digest(self, step: Step, ctx: Context) -> Observation:
        return Observation(REACHED, facts={"rows": list(self.old(ctx).rows)})

    async def see_mark(self, step: Step, ctx: Context) -> Observation:
        return Observation(NOT_REACHED)

    async def do_mark(self, step: Step, ctx: Context) -> Observation:
        self.infra.archived = list(self.old(ctx).rows)
        self.infra.did("mark")
        return Observation(REACHED)

    async def see_readback(self, step: Step, ctx: Context) -> Observation:
        return Observation(NOT_REACHED)

    async def do_readback(self, step: Step, ctx: Context) -> Observation:
        self._ask_prover(ctx)
        return Observation(REACHED)

    async def see_stop(self, step: Step, ctx: Context) -> Observation:
        known = ctx.facts(step.id)
        done = known and not self.old(ctx).running
        return Observation(REACHED if done else NOT_REACHED, facts=known)

    async def do_stop(self, step: Step, ctx: Context) -> Observation:
        database = self.old(ctx)
        database.running = False
        self.infra.did("stop")
        if database.rows != ctx.facts("database.digest")["rows"]:
            raise Refused("something was written after the cut")
        mark = {"lsn": str(len(database.rows)), "timeline": 1}
        return Observation(
            REACHED, facts={"sealed:database": {"seal": {"mark": mark, "life": ctx.old_life, "run": ctx.run}}}
        )

    async def undo_stop(self, step: Step, ctx: Context) -> str:
        self.old(ctx).running = True
        self.infra.did("start again")
        return "database runs"

    async def see_home(self, step: Step, ctx: Context) -> Observation:
        return Observation(REACHED if self.new(ctx) else NOT_REACHED)

    async def do_home(self, step: Step, ctx: Context) -> None:
        await ctx.intent("restore", life=ctx.life)
        self.infra.restore(ctx.life)

    async def see_promote(self, step: Step, ctx: Context) -> Observation:
        database = self.new(ctx)
        return Observation(REACHED if database and database.promoted else NOT_REACHED)

    async def do_promote(self, step: Step, ctx: Context) -> None:
        self.infra.promote(ctx.life)

    async def see_data_proof(self, step: Step, ctx: Context) -> Observation:
        database = self.new(ctx)
        if database is None or database.rows != ctx.facts("database.digest")["rows"]:
            raise Permanent("rows are missing")
        return Observation(REACHED)

    async def see_pooler(self, step: Step, ctx: Context) -> Observation:
        return Observation(REACHED, facts={"inside": {"database": {"address": "10.0.0.2", "port": 6432}}})

    async def see_lift(self, step: Step, ctx: Context) -> Observation:
        database = self.new(ctx)
        return Observation(NOT_REACHED if database is None or database.fenced else REACHED)

    async def do_lift(self, step: Step, ctx: Context) -> None:
        database = self.new(ctx)
        if database is not None:
            database.fenced = False
        self.infra.did("open")

    async def see_backup_after(self, step: Step, ctx: Context) -> Observation:
        return Observation(REACHED if f"{ctx.run}-after" in self.infra.backups else NOT_REACHED)

    async def do_backup_after(self, step: Step, ctx: Context) -> None:
        database = self.new(ctx)
        self.infra.backups[f"{ctx.run}-after"] = list(database.rows) if database else []
        self.infra.did("backup after", once=True)


class Answer(Player):
    """A probe of the service."""

    name = "answer"

    def plan(self, layer: Layer, options: Any, request: Request, /) -> Sequence[Step]:
        if request.verb is not Verb.REBIRTH:
            return []
        more = {"provides": ("served", "served:database"), "clock": "served"}
        return [self.step(layer, "sql", Phase.VERIFY, READ, "open:database", **more)]

    async def see_sql(self, step: Step, ctx: Context) -> Observation:
        return Observation(REACHED if self.infra.serves(ctx.life) else NOT_REACHED)

    async def do_sql(self, step: Step, ctx: Context) -> None:
        """Changes nothing."""

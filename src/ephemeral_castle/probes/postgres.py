"""Probe `postgres-probe`: every user logs in through the pooler and reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ephemeral_castle.errors import Permanent, Unreachable
from ephemeral_castle.model.castle import Layer, Verb
from ephemeral_castle.model.step import Effect, Observation, Phase, Retry, State, Step
from ephemeral_castle.spi.driver import Context, Request
from ephemeral_castle.spi.options import LayerName
from ephemeral_castle.spi.units import Duration
from ephemeral_castle.spi.world import Process

# The password goes in by standard input: it is in no argument, environment or file. One process asks for all users.
SCRIPT = """\
set -u
while read -r host port database user password query; do
  [ -n "$host" ] || continue
  while :; do
    answer=$(PGPASSWORD=$password PGCONNECT_TIMEOUT=2 psql -qAtX -h "$host" -p "$port" -U "$user" -d "$database" \\
      -c "$query" 2>/tmp/probe.err) && break
    grep -q 'authentication failed' /tmp/probe.err && break
    sleep 0.03
  done
  echo "$user|${answer:-}|$(head -n 1 /tmp/probe.err)"
done
"""


class ProbeOptions(BaseModel):
    """SQL through the pooler with each user."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    database: LayerName = Field(description="layer whose database is asked")
    query: str = Field(default="select 1", description="what each user runs; one value")
    timeout: Duration = Field(default=60.0, description="longest wait for an answer")


class PostgresProbe:
    """A layer that proves: real logins from outside the machines."""

    name = "postgres-probe"
    Options: Any = ProbeOptions

    def __init__(self) -> None:
        self.asking: dict[str, Process] = {}

    def plan(self, layer: Layer, options: ProbeOptions, request: Request, /) -> Sequence[Step]:
        """The prober is started while the data come home; its answers end the outage."""
        if request.verb is Verb.RESTORE and request.side:
            return []
        if request.verb not in (Verb.REBIRTH, Verb.RAISE, Verb.RESTORE, Verb.DRILL):
            return []
        if not request.concerns(options.database):
            return []
        database = options.database
        make = partial(Step, layer=layer.id, driver=self.name, effect=Effect.READ, exact=True, params={"v": 1})
        ready = make(
            id=f"{layer.id}.ready",
            action="ready",
            title="prober outside the machines",
            phase=Phase.RESTORE,
            needs=(f"{database}.outside", f"{database}.outside-cold?"),
        )
        asked = make(
            id=f"{layer.id}.sql",
            action="sql",
            title="every user logs in and reads",
            phase=Phase.VERIFY,
            needs=(ready.id, f"open:{database}", f"{database}.pooler"),
            provides=("served", f"served:{database}"),
            deadline=options.timeout + 5,
            retry=Retry(attempts=1),
            clock="served",
        )
        return [ready, asked]

    async def observe(self, step: Step, ctx: Context, /) -> Observation:
        """Starts the prober, or asks as every user."""
        if step.action == "ready":
            await self._prober(ctx)
            return Observation(State.REACHED)
        facts = ctx.facts(f"{ctx.options.database}.pooler")
        answers = await self._ask(ctx, await self._questions(ctx, facts))
        failed = [f"{user}: {error or 'no answer'}" for user, (answer, error) in answers.items() if not answer]
        if failed:
            raise Permanent(
                "a user cannot log in through the pooler",
                why="; ".join(failed),
                state="the data are home and proven; the fence is lifted",
                hints=["castle logs", "castle resume"],
            )
        where = facts["endpoint"]
        text = f"{', '.join(answers)} at {where['address']}:{where['port']}"
        return Observation(State.REACHED, text, {"answers": {user: answer for user, (answer, _) in answers.items()}})

    async def act(self, step: Step, ctx: Context, /) -> Observation | None:
        """A probe changes nothing."""
        return None

    async def settled(self, ctx: Context, /) -> str:
        """A probe changes nothing; this one needs a container, and so is asked in a run only."""
        del ctx
        return ""

    async def close(self) -> None:
        """Ends the probers."""
        for process in self.asking.values():
            await process.close()

    async def _prober(self, ctx: Context) -> Process:
        """One process for all users, in the container outside the machines that the layer keeps for proofs."""
        layer = ctx.layer.id
        if layer not in self.asking:
            enclosure = ctx.world.enclosure
            container = f"{ctx.request.castle.name}-{ctx.options.database}-outside"
            argv = enclosure.podman("exec", "-i", container, "sh", "-c", SCRIPT)
            self.asking[layer] = await ctx.world.exec.spawn(argv, env=enclosure.podman_env())
        return self.asking[layer]

    async def _questions(self, ctx: Context, facts: Mapping[str, Any]) -> list[str]:
        where, layer = facts["endpoint"], ctx.options.database
        lines = []
        for user in facts["users"]:
            database = next((name for name, owner in facts["databases"].items() if owner == user), None)
            database = database or next(iter(facts["databases"]))
            password = await ctx.secrets.get(f"{layer}/user/{user}")
            if password is None:
                raise Permanent(f"the password of user `{user}` is missing", hints=["castle doctor"])
            lines.append(
                f"{where['address']} {where['port']} {database} {user} {password.reveal()} {ctx.options.query}"
            )
        return lines

    async def _ask(self, ctx: Context, questions: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Answer and error by user."""
        process = await self._prober(ctx)
        answers: dict[str, tuple[str, str]] = {}
        try:
            await process.write("".join(f"{question}\n" for question in questions))
            for _ in questions:
                line = await process.read_line(ctx.options.timeout)
                if line is None:
                    raise Unreachable("the prober ended", why=process.errors)
                user, answer, error = line.split("|", 2)
                answers[user] = (answer, error)
        except Unreachable:
            await self.asking.pop(ctx.layer.id).close()
            raise
        return answers

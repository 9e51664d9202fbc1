"""Probe `postgres-probe`: every user logs in through the pooler and reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ephemeral_castle.errors import Permanent, Transient
from ephemeral_castle.model.castle import Layer, Verb
from ephemeral_castle.model.step import Effect, Observation, Phase, Retry, State, Step
from ephemeral_castle.spi.driver import Context, Request
from ephemeral_castle.spi.options import LayerName
from ephemeral_castle.spi.units import Duration

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

    def plan(self, layer: Layer, options: ProbeOptions, request: Request, /) -> Sequence[Step]:
        """One step, after the database is open. Its end is the end of the outage."""
        if request.verb not in (Verb.REBIRTH, Verb.RAISE):
            return []
        return [
            Step(
                f"{layer.id}.sql",
                layer.id,
                self.name,
                "sql",
                "every user logs in and reads",
                Phase.VERIFY,
                Effect.READ,
                needs=(f"open:{options.database}", f"{options.database}.pooler"),
                provides=("served", f"served:{options.database}"),
                exact=True,
                deadline=options.timeout + 5,
                retry=Retry(attempts=1),
                clock="served",
                params={"v": 1},
            )
        ]

    async def observe(self, step: Step, ctx: Context, /) -> Observation:
        """Asks as every user."""
        facts = ctx.facts(f"{ctx.options.database}.pooler")
        lines = await self._lines(ctx, facts)
        answers = await self._ask(ctx, lines)
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

    async def _lines(self, ctx: Context, facts: Mapping[str, Any]) -> str:
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
        return "\n".join(lines) + "\n"

    async def _ask(self, ctx: Context, lines: str) -> dict[str, tuple[str, str]]:
        """One process for all users, in the container outside the machines that the layer keeps for proofs."""
        enclosure = ctx.world.enclosure
        container = f"{ctx.request.castle.name}-{ctx.options.database}-outside"
        argv = enclosure.podman("exec", "-i", container, "sh", "-c", SCRIPT)
        try:
            result = await ctx.world.exec.run(
                argv, stdin=lines.encode(), env=enclosure.podman_env(), timeout=ctx.options.timeout
            )
        except TimeoutError:
            result = None
        if result is None or not result.ok:
            raise Transient("the probe got no answer", why=result.last_words() if result else "time is up")
        parts = [line.split("|", 2) for line in result.out.splitlines() if line.count("|") >= 2]
        return {user: (answer, error) for user, answer, error in parts}

"""A run of one castle with a `certificates` layer, played step by step without an engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ephemeral_castle.drivers.certificates import CertificatesDriver
from ephemeral_castle.drivers.certificates.options import CertificatesOptions
from ephemeral_castle.errors import Transient
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.step import Observation, State, Step
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.kubernetes import Cluster
from ephemeral_castle.spi.options import read_options
from ephemeral_castle.spi.world import Machine
from ephemeral_castle.world.simulated import ManualClock, MemoryObjects, MemorySecrets, SimulatedWorld

NAME = "blog.castle.example"
START = 1_790_000_000.0


class Vault(MemorySecrets):
    """Remembers in which order secrets were written; `dies_at` that many writes, as a killed runner would."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []
        self.dies_at = 0

    async def put(self, name: str, value: Any) -> None:
        if self.dies_at and len(self.writes) + 1 >= self.dies_at:
            raise KeyboardInterrupt(f"killed ahead of writing {name}")
        self.writes.append(name)
        await super().put(name, value)

    def text(self, what: str, layer: str = "certificate") -> str:
        return self.known[f"certificate/{layer}/{what}"].reveal()


class Bed:
    """What outlives a run: vault, clock, world."""

    def __init__(self, **options: Any) -> None:
        self.driver: Any = CertificatesDriver()
        self.options: Any = read_options(CertificatesOptions, {"names": [NAME], **options})
        self.clock = ManualClock(START)
        self.objects = MemoryObjects(self.clock)
        self.world: Any = SimulatedWorld(self.clock, self.objects)
        self.secrets = Vault()
        self.path = ""
        self.runs = 0

    def change(self, **options: Any) -> None:
        """Somebody edits the definition."""
        self.options = read_options(CertificatesOptions, {"names": [NAME], **options})


class Context:
    """Implements `spi.driver.Context`."""

    def __init__(self, bed: Bed, verb: Verb = Verb.RAISE) -> None:
        bed.runs += 1
        self.options, self.world, self.secrets = bed.options, bed.world, bed.secrets
        self.layer = Layer("certificate", Role.GATES, "certificates", position="castle.yaml:1:1")
        site = Site("here", (self.layer,))
        castle = Castle("c", Treasury("b", "c"), {"here": site}, path=bed.path or str(Path(__file__)))
        self.request = Request(verb, castle, site)
        self.record = Record("c0ffee00", "c", "age1toy", 1)
        self.run, self.attempt, self.started = f"run-{bed.runs}", 1, bed.clock.now()
        self.old_life, self.life, self.passed_no_return = 1, 2, False
        self.known: dict[str, Mapping[str, Any]] = {}
        self.said: list[str] = []

    def facts(self, step_id: str) -> Mapping[str, Any]:
        return self.known.get(step_id, {})

    def claims(self) -> list[Any]:
        return []

    def published(self, layer: str, fact: str) -> Any:
        return None

    async def cluster(self, *, old: bool = False) -> Cluster:
        raise AssertionError("a certificate needs no cluster")

    async def machine(self, name: str, *, old: bool = False) -> Machine:
        raise AssertionError("a certificate needs no machine")

    def progress(self, text: str, *, done: float | None = None, total: float | None = None) -> None:
        self.said.append(text)

    async def intent(self, what: str, /, **data: Any) -> None:
        self.said.append(f"intent: {what} {data}")

    def decided(self, decision: str, reason: str, /, **inputs: Any) -> None:
        self.said.append(f"{decision}: {reason}")

    def diagnostic(self, severity: str, text: str) -> None:
        self.said.append(f"{severity}: {text}")


def steps(bed: Bed, ctx: Context) -> dict[str, Step]:
    """The plan, by the step's own name."""
    found = bed.driver.plan(ctx.layer, ctx.options, ctx.request)
    return {each.id.partition(".")[2]: each for each in found}


async def step(bed: Bed, ctx: Any, which: Step) -> Observation:
    """One step to its goal, as the engine would."""
    for _ in range(5):
        try:
            seen: Observation = await bed.driver.observe(which, ctx)
            if seen.state is not State.REACHED:
                seen = await bed.driver.act(which, ctx) or await bed.driver.observe(which, ctx)
        except Transient as error:
            ctx.said.append(f"retry: {error.message}")
            continue
        assert seen.state is State.REACHED, seen
        ctx.known[which.id] = seen.facts
        return seen
    raise AssertionError(f"{which.id} does not reach its goal: {ctx.said}")


async def run(bed: Bed, verb: Verb = Verb.RAISE, *, until: str = "", ctx: Context | None = None) -> Context:
    """A run, or its beginning."""
    ctx = ctx or Context(bed, verb)
    for name, each in steps(bed, ctx).items():
        await step(bed, ctx, each)
        if name == until:
            break
    return ctx


def ready(ctx: Context) -> Mapping[str, Any]:
    """Facts of the step `ready`."""
    return ctx.known["certificate.ready"]

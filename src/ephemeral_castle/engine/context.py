"""What a driver sees of a run while it works on one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ephemeral_castle.errors import Permanent
from ephemeral_castle.journal.record import RecordStore
from ephemeral_castle.model.castle import Layer
from ephemeral_castle.model.events import Event, Kind
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.runview import RunView
from ephemeral_castle.model.step import Step
from ephemeral_castle.spi.claims import Claim, claimed
from ephemeral_castle.spi.driver import Driver, Request
from ephemeral_castle.spi.kubernetes import Cluster
from ephemeral_castle.spi.secret import SecretSource
from ephemeral_castle.spi.world import Machine, World


class Bus(Protocol):
    """Where events go: journal and live state."""

    @property
    def view(self) -> RunView:
        """The state after every event so far."""
        ...

    async def emit(
        self, kind: Kind, step: str = "", attempt: int = 0, /, *, durable: bool = False, **data: Any
    ) -> Event:
        """Appends an event; `durable` returns only when it is on disk."""
        ...

    def note(self, kind: Kind, step: str = "", attempt: int = 0, /, **data: Any) -> None:
        """Appends without waiting."""
        ...


@dataclass
class Shared:
    """What all steps of one runner share."""

    request: Request
    run: str
    created: float
    old_life: int
    life: int
    world: World
    secrets: SecretSource
    records: RecordStore
    record: Record
    drivers: Mapping[str, Driver[Any]]
    options: Mapping[str, Any]
    bus: Bus
    ground: str = ""
    foundations: str = ""
    layers: dict[str, Layer] = field(default_factory=dict)

    @property
    def view(self) -> RunView:
        """The state of the run, live."""
        return self.bus.view


class StepContext:
    """Implements `spi.driver.Context` for one attempt of one step."""

    def __init__(self, shared: Shared, step: Step, attempt: int) -> None:
        self.shared = shared
        self.step = step
        self._attempt = attempt

    @property
    def attempt(self) -> int:
        """Number of this attempt."""
        return self._attempt

    @property
    def options(self) -> Any:
        """The validated options of the layer."""
        return self.shared.options.get(self.step.layer)

    @property
    def layer(self) -> Layer:
        """The layer of the step."""
        return self.shared.layers[self.step.layer]

    @property
    def request(self) -> Request:
        """What the run was asked to do."""
        return self.shared.request

    @property
    def world(self) -> World:
        """The doors to the outside."""
        return self.shared.world

    @property
    def secrets(self) -> SecretSource:
        """Secrets by name."""
        return self.shared.secrets

    @property
    def record(self) -> Record:
        """The record as this run last read or wrote it."""
        return self.shared.record

    @property
    def run(self) -> str:
        """Id of the run."""
        return self.shared.run

    @property
    def started(self) -> float:
        """When the run was created."""
        return self.shared.created

    @property
    def passed_no_return(self) -> bool:
        """Whether the first deletion has begun, in this runner or in one before."""
        return self.shared.view.passed_no_return

    @property
    def old_life(self) -> int:
        """The life that stood when the run began."""
        return self.shared.old_life

    @property
    def life(self) -> int:
        """The life that this run raises or works on."""
        return self.shared.life

    def facts(self, step_id: str) -> Mapping[str, Any]:
        """Facts of a finished step; empty when it has none."""
        return self.shared.view.facts(step_id)

    def published(self, layer: str, fact: str) -> Any:
        """The fact of that name of the layer's last step that is done and has it, by the plan; None when none has."""
        view = self.shared.view
        mine = [view.facts(step.id) for step in reversed(view.plan.steps) if step.layer == layer]
        return next((facts[fact] for facts in mine if fact in facts), None)

    def claims(self) -> Sequence[Claim]:
        """Of every layer whose driver works in the cluster."""
        return claimed(self.shared.drivers, self.shared.options, self.request)

    def progress(self, text: str, *, done: float | None = None, total: float | None = None) -> None:
        """Shows what is going on."""
        self.shared.bus.note(Kind.STEP_PROGRESS, self.step.id, self.attempt, text=text, done=done, total=total)

    async def intent(self, what: str, /, **data: Any) -> None:
        """Durable before it returns."""
        await self.shared.bus.emit(Kind.STEP_INTENT, self.step.id, self.attempt, durable=True, what=what, **data)

    def decided(self, decision: str, reason: str, /, **inputs: Any) -> None:
        """Records a choice."""
        self.shared.bus.note(
            Kind.STEP_DECIDED, self.step.id, self.attempt, decision=decision, reason=reason, inputs=inputs
        )

    def diagnostic(self, severity: str, text: str) -> None:
        """Something that a person should know."""
        self.shared.bus.note(Kind.DIAGNOSTIC, self.step.id, self.attempt, severity=severity, text=text)

    async def machine(self, name: str, *, old: bool = False) -> Machine:
        """The machine of that name, from the ground driver."""
        driver, ctx = self._of(self.shared.ground, "makes machines")
        machine: Machine = await driver.machine(name, ctx, self.old_life if old else self.life)
        return machine

    async def cluster(self, *, old: bool = False) -> Cluster:
        """The Kubernetes cluster, from the driver that raises or knows it."""
        driver, ctx = self._of(self.shared.foundations, "has a Kubernetes cluster")
        cluster: Cluster = await driver.cluster(ctx, self.old_life if old else self.life)
        return cluster

    def _of(self, name: str, what: str) -> tuple[Any, StepContext]:
        """The driver of the layer that is asked, and the same step seen from there."""
        if not name:
            raise Permanent(f"this castle has no layer that {what}", where=self.step.id)
        layer = self.shared.layers[name]
        return self.shared.drivers[layer.driver], StepContext(self.shared, self._at(layer), self.attempt)

    def _at(self, layer: Layer) -> Step:
        """The same step seen from another layer, so that `options` are that layer's."""
        return Step(
            self.step.id,
            layer.id,
            layer.driver,
            self.step.action,
            self.step.title,
            self.step.phase,
            self.step.effect,
        )

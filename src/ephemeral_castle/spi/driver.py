"""What a driver is: a pure plan, a read-only observation, an act."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from ephemeral_castle.model.castle import Castle, Layer, Site, Verb
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.step import Observation, Step
from ephemeral_castle.spi.claims import Claim
from ephemeral_castle.spi.kubernetes import Cluster, ClusterAccess
from ephemeral_castle.spi.secret import SecretSource
from ephemeral_castle.spi.world import Machine, Recipe, Rights, Source, World


@dataclass(frozen=True)
class Request:
    """What a run is asked to do; everything a pure plan may depend on.

    Attributes:
        new, adopt, source_lost, abandon_data: explicit words of the command line; they hold for this run only.
        accept_loss_after: LSN behind which a hole in the history is accepted, or "".
        full: make a full backup. expire: let the keeper expire old backups.
        prove: prove a fresh backup even where the last proof is young enough.
        to: point in time for `restore`, ISO 8601. side: bring it up beside the living one.
        set_label: a backup picked by a person where the site has one treasure, or "". set_labels: the same by layer;
            read both through `label_of`.
        only: treasures that a restore is about; empty for all of them.
        keep: leave a drill's castle standing when it fails.
        heal: a controller of the cluster that hangs may be restarted.
    """

    verb: Verb
    castle: Castle
    site: Site
    new: bool = False
    adopt: bool = False
    source_lost: bool = False
    abandon_data: bool = False
    accept_loss_after: str = ""
    full: bool = False
    expire: bool = False
    cold: bool = False
    prove: bool = False
    to: str = ""
    side: bool = False
    set_label: str = ""
    set_labels: Mapping[str, str] = field(default_factory=dict)
    only: Sequence[str] = ()
    keep: bool = False
    heal: bool = False

    def label_of(self, layer: str) -> str:
        """The backup that a person picked for a treasure, or ""."""
        return self.set_labels.get(layer, self.set_label)

    def concerns(self, layer: str) -> bool:
        """Whether the run is about this treasure: a restore may be of some only."""
        return not self.only or layer in self.only

    def flags(self) -> dict[str, Any]:
        """The plain values, for storing with the plan."""
        return {
            "new": self.new,
            "adopt": self.adopt,
            "source_lost": self.source_lost,
            "abandon_data": self.abandon_data,
            "accept_loss_after": self.accept_loss_after,
            "full": self.full,
            "expire": self.expire,
            "cold": self.cold,
            "prove": self.prove,
            "to": self.to,
            "side": self.side,
            "set_label": self.set_label,
            "set_labels": dict(self.set_labels),
            "only": list(self.only),
            "keep": self.keep,
            "heal": self.heal,
        }


class Context(Protocol):
    """What a driver may know and say while it observes or acts on one step."""

    @property
    def options(self) -> Any:
        """The validated options of the layer (the driver's own Options model)."""
        ...

    @property
    def layer(self) -> Layer:
        """The layer of the step."""
        ...

    @property
    def request(self) -> Request:
        """What the run was asked to do."""
        ...

    @property
    def world(self) -> World:
        """The doors to the outside."""
        ...

    @property
    def secrets(self) -> SecretSource:
        """Secrets by name."""
        ...

    @property
    def record(self) -> Record:
        """The record as it is now; drivers read it, the engine's own steps change it."""
        ...

    @property
    def run(self) -> str:
        """Id of the run: the key of acts that are done once."""
        ...

    @property
    def attempt(self) -> int:
        """Number of this attempt. At 1 nothing can have been done under this run's key yet."""
        ...

    @property
    def started(self) -> float:
        """When the run was created, Unix seconds."""
        ...

    @property
    def passed_no_return(self) -> bool:
        """Whether the first deletion has begun: from here on nothing of the old life is brought up again."""
        ...

    @property
    def old_life(self) -> int:
        """The life that stands (or stood) when the run began; 0 before the first."""
        ...

    @property
    def life(self) -> int:
        """The life that this run raises or works on."""
        ...

    def facts(self, step_id: str) -> Mapping[str, Any]:
        """Facts of a finished step of this run; empty when it has none."""
        ...

    def published(self, layer: str, fact: str) -> Any:
        """What a finished step of a layer published under the name of a fact (`endpoint`); None when nothing did."""
        ...

    def claims(self) -> Sequence[Claim]:
        """What all layers of the site will have to do in the cluster for this run."""
        ...

    def progress(self, text: str, *, done: float | None = None, total: float | None = None) -> None:
        """Shows what is going on."""
        ...

    async def intent(self, what: str, /, **data: Any) -> None:
        """Writes durably what is about to be created or destroyed, before it is."""
        ...

    def decided(self, decision: str, reason: str, /, **inputs: Any) -> None:
        """Records a choice that depended on the world."""
        ...

    def diagnostic(self, severity: str, text: str) -> None:
        """Something that a person should know: severity "info", "warning" or "error"."""
        ...

    async def machine(self, name: str, *, old: bool = False) -> Machine:
        """The machine of that name in this run's life (or in the old one), from the ground driver.

        Raises:
            NotFound: it does not exist. Unreachable: it cannot be seen.
        """
        ...

    async def cluster(self, *, old: bool = False) -> Cluster:
        """The Kubernetes cluster of this run's life (or of the old one), from the driver that raises or knows it.

        Raises:
            NotFound: it does not exist. Unreachable: its key or its server cannot be reached.
        """
        ...


Facts = Mapping[str, Any]
O_contra = TypeVar("O_contra", contravariant=True)


class Driver(Protocol[O_contra]):
    """A driver knows one system. Instances live as long as the runner and may keep open sessions."""

    name: str
    Options: Any

    def plan(self, layer: Layer, options: O_contra, request: Request, /) -> Sequence[Step]:
        """The steps of this layer for the verb. Pure: no input or output, equal input gives equal steps."""
        ...

    async def observe(self, step: Step, ctx: Context, /) -> Observation:
        """Looks, changes nothing, answers relative to the step's goal."""
        ...

    async def act(self, step: Step, ctx: Context, /) -> Observation | None:
        """Does it. May give the observation it made afterwards; None lets the engine observe again."""
        ...


class Undo(Protocol):
    """Optional: a driver whose step can be taken back before the first deletion."""

    async def undo(self, step: Step, ctx: Context, /) -> str:
        """Takes the step back; gives a few words on what was restored. Must be repeatable."""
        ...


class Reading(Protocol):
    """Optional: a driver whose options name files that steps read while the run goes on."""

    def reads(self, layer: Layer, options: Any, request: Request, /) -> Mapping[str, str]:
        """Files, relative to the definition, and the id of the step that reads each. Pure, like `plan`."""
        ...


class Imaging(Protocol):
    """Optional: a driver whose images depend on options and repository. `recipes` names those that do not."""

    async def images_of(
        self, layer: Layer, options: Any, source: Source | None, /
    ) -> tuple[Sequence[Recipe], Sequence[str]]:
        """Images to build and names to pull, for `castle prefetch`. Reads the repository, changes nothing."""
        ...


class Writing(Protocol):
    """Optional: a driver whose machines write into the treasury by the identity of their life."""

    def rights(self, layer: Layer, /) -> Rights:
        """What they may write there for this layer. Pure."""
        ...


class Ground(Protocol):
    """Optional: a driver that makes machines."""

    async def machine(self, name: str, ctx: Context, life: int, /) -> Machine:
        """The machine of that name in that life."""
        ...


def layer_with(drivers: Mapping[str, Driver[Any]], layers: Mapping[str, Layer], method: str) -> str:
    """The first layer whose driver has an optional method (`machine`, `cluster`); "" when none has."""
    return next((name for name, layer in layers.items() if hasattr(drivers[layer.driver], method)), "")


class Clustering(Protocol):
    """Optional: a driver that makes, or knows, a Kubernetes cluster."""

    async def cluster(self, ctx: Context, life: int, /) -> Cluster:
        """The cluster of that life."""
        ...

    async def access(self, ctx: Context, life: int, /) -> ClusterAccess:
        """How this computer reaches it, with a key; for `castle kubeconfig`. Raises what `cluster` does."""
        ...


class Elsewhere(Protocol):
    """Optional: a driver of treasures whose backups lie outside the castle's treasury, in other hands.

    `rehearses_unrecorded`: a drill needs no record of the castle, which may never have been raised.
    """

    rehearses_unrecorded: bool


class Examining(Protocol):
    """Optional: a driver that can say for `castle doctor` whether what it stands on will do."""

    async def doctor(self, ctx: Context, wanted: Sequence[Claim], /) -> Sequence[Check]:
        """Looks, and changes nothing. A fault is a line, not an error.

        Args:
            ctx: of the layer.
            wanted: what all verbs together have to be allowed to do in the cluster.
        """
        ...


class Settling(Protocol):
    """Optional: a driver that can tell by a look whether a raise would change anything of its layer."""

    async def settled(self, ctx: Context, /) -> str:
        """Why a raise would change something, or might; "" when it was seen that it would change nothing.

        Changes nothing itself. `ctx.facts` and `ctx.published` are those of the run that raised this life: they say
        what was wanted then, and nothing about how it stands now. A layer whose driver cannot tell is raised.
        """
        ...


class Closing(Protocol):
    """Optional: a driver that holds sessions."""

    async def close(self) -> None:
        """Ends them; the run is over."""
        ...


@dataclass(frozen=True)
class Check:
    """One line of `doctor`: what was looked at, whether it is well, the fact found, the command that mends it."""

    title: str
    ok: bool | None  # None: a warning
    fact: str
    mend: str = ""
    section: str = "this computer"
    data: Mapping[str, Any] = field(default_factory=dict)

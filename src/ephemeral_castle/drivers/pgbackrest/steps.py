"""The plan of a `pgbackrest` layer: pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ephemeral_castle.drivers.pgbackrest.options import PgbackrestOptions
from ephemeral_castle.errors import Permanent, Refused
from ephemeral_castle.model.castle import Layer, Role, Verb
from ephemeral_castle.model.step import Effect, Phase, Retry, Step
from ephemeral_castle.spi.driver import Request

NAME = "pgbackrest"
PATIENT = Retry(attempts=4, delay=1.0, factor=2.0, ceiling=8.0)
LOOKS = (Verb.DRILL, Verb.RAISE)
ROOM = 120.0  # seconds beside the wait itself


def plan(layer: Layer, options: PgbackrestOptions, request: Request) -> Sequence[Step]:
    """A drill restores beside the living database; a raise only sees that it stands; all else is refused.

    Raises:
        Permanent: the site has no cluster.
        Refused: the verb would destroy or change a database that castle does not run.
    """
    if not any(each.role is Role.FOUNDATIONS for each in request.site.layers):
        raise Permanent(
            f"layer `{layer.id}` lives in a cluster, and site `{request.site.name}` has none",
            where=layer.position,
            hints=["add a layer of role `foundations`, such as one of driver `kubeconfig`"],
        )
    if request.verb not in LOOKS:
        raise _refused(layer, options, request.verb)
    look = _step(layer, "look", f"PostgresCluster {options.namespace}/{options.cluster} and its repository",
                 Phase.PREPARE, Effect.READ, needs=("old-cluster?",), deadline=60.0, weight=0.2)  # fmt: skip
    if request.verb is Verb.RAISE:
        return [look]
    limit = options.wait + ROOM
    return [
        look,
        _step(layer, "restore", "the newest backup, in a namespace of its own", Phase.RESTORE, Effect.CONVERGE,
              needs=(look.id, "room?"), deadline=limit, undo=True, recheck=True, weight=10),
        _step(layer, "read", "read every table to its last row", Phase.RESTORE, Effect.READ,
              needs=(f"{layer.id}.restore",), provides=(f"arrived:{layer.id}",), deadline=limit, weight=4),
        _step(layer, "remove", "remove the drill's namespace", Phase.DISSOLVE, Effect.ONCE, deadline=300.0, weight=1),
    ]  # fmt: skip


def _refused(layer: Layer, options: PgbackrestOptions, verb: Verb) -> Refused:
    return Refused(
        f"castle does not run database `{layer.id}`, and will not `{verb.value}` it",
        where=layer.position,
        why=f"its operator does, by PostgresCluster {options.namespace}/{options.cluster}; driver `{NAME}` looks at it "
        "and rehearses its return, and nothing else",
        state="nothing was changed",
        hints=["castle drill", "give the layer a driver that runs the database: docs/guides/adopt.md"],
    )


def _step(layer: Layer, action: str, title: str, phase: Phase, effect: Effect, **more: Any) -> Step:
    known = {"exact": True, "retry": PATIENT, "params": {"v": 1}, **more}
    return Step(f"{layer.id}.{action}", layer.id, NAME, action, title, phase, effect, **known)

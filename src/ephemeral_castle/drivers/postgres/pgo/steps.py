"""The plan of a `pgo` layer: that of a `postgres` layer, with the operator between castle and the server. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ephemeral_castle.drivers.postgres import footing
from ephemeral_castle.drivers.postgres.pgo.options import PgoOptions
from ephemeral_castle.drivers.postgres.steps import CONVERGE, IRREVERSIBLE, ONCE, READ, Maker, made
from ephemeral_castle.errors import Refused
from ephemeral_castle.model.castle import Layer, Verb
from ephemeral_castle.model.step import Phase, Step
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.ways import raised_here

PROMOTING = "old-writer-revoked announced?"  # the operator promotes by itself: what must come before, comes before all


def plan(layer: Layer, options: PgoOptions, request: Request) -> Sequence[Step]:
    """All steps of the layer for the verb, in reading order.

    Raises:
        Permanent: the site has no cluster.
        Refused: a drill in a cluster that castle does not raise, or a restore of a living database.
    """
    footing.check(layer, request)
    if request.verb is Verb.RESTORE and request.concerns(layer.id):
        raise Refused(
            f"database `{layer.id}` cannot be restored while it lives",
            where=layer.position,
            why="driver `pgo` brings a database back by a new life only: the operator's own restore in place deletes "
            "the server before it reads the backup",
            state="nothing was changed",
            hints=["castle drill, to look at what lies in the treasury", "castle rebirth"],
        )
    own = raised_here(request)
    node = "cluster-worker" if own else "cluster-worker?"  # that takes pods
    return made(_Maker(layer, options, (node, node), on_cluster=True, own_cluster=own), request)


class _Maker(Maker):
    """The steps that differ."""

    def push(self, request: Request) -> list[Step]:
        """Nothing of castle's own image runs in the cluster."""
        del request
        return []

    def home(self) -> list[Step]:
        """The lock, the birth, and what follows it."""
        phase, name = Phase.RESTORE, self.layer.id
        node = self.carriers[0]
        return [
            self.step("lock", "lock the database's birth", phase, ONCE, f"{node} survey castle.writer outside-cold?",
                      deadline=900, recheck=True, weight=0.5, provides=(f"arrived:{name}",)),
            self.step("home", "bring the data home", phase, IRREVERSIBLE, f"lock {PROMOTING}", deadline=14400,
                      weight=8),
            self.step("promote", "compare the history, see it archived", phase, READ, "home", deadline=300, weight=0.3),
            self.step("data-proof", "compare every table with the seal", phase, READ, "promote", deadline=3600,
                      weight=1),
            self.step("roles", "see the users' passwords", phase, ONCE, "promote", deadline=330),
            self.step("pooler", "PgBouncer", phase, CONVERGE, "home", provides=(f"address:{name}",), recheck=True,
                      deadline=300, weight=0.3),
        ]  # fmt: skip

    def drill(self) -> list[Step]:
        """The way home as reader, to a promotion that nobody hears of."""
        steps = {step.action: step for step in (*self.home(), self.opening()[0])}
        name, node = self.layer.id, self.carriers[0]
        carriers = self.step("home", "", Phase.RESTORE, IRREVERSIBLE, node).needs
        steps["lock"] = dataclasses.replace(steps["lock"], needs=(*carriers, f"{name}.survey"))
        steps["home"] = dataclasses.replace(steps["home"], needs=(f"{name}.lock",))
        title = "read every table, look for the marks of the last life"
        steps["data-proof"] = dataclasses.replace(steps["data-proof"], action="drill-proof", title=title)
        return list(steps.values())

    def clearing(self) -> list[Step]:
        """In a cluster that stays: the PostgresCluster and what castle made for it go, and the volumes with them."""
        listing, destroy = super().clearing()
        return [listing, dataclasses.replace(destroy, title="delete the database", deadline=900)]

"""The plan of a `pgo` layer: that of a `postgres` layer, with the operator between castle and the server. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ephemeral_castle.drivers.postgres import footing
from ephemeral_castle.drivers.postgres.pgo.options import PgoOptions
from ephemeral_castle.drivers.postgres.steps import CONVERGE, IRREVERSIBLE, ONCE, READ, Maker, made
from ephemeral_castle.model.castle import Layer
from ephemeral_castle.model.step import Phase, Step
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.ways import raised_here

PROMOTING = "old-writer-revoked announced?"  # the operator promotes by itself: what must come before, comes before all


def plan(layer: Layer, options: PgoOptions, request: Request) -> Sequence[Step]:
    """All steps of the layer for the verb, in reading order.

    Raises:
        Permanent: the site has no cluster. Refused: a drill in a cluster that castle does not raise.
    """
    footing.check(layer, request)
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

    def opening(self) -> list[Step]:
        """The heartbeat begins where the fence is lifted: it is a client as any other."""
        lift, backup = super().opening()
        beat = self.step("heartbeat", "a row every few seconds", Phase.OPEN, CONVERGE, "lift", deadline=300, weight=0.1)
        return [lift, beat, backup]

    def side(self) -> list[Step]:
        """Another PostgresCluster, which goes if nobody waits for it any more."""
        return [dataclasses.replace(each, undo=True) for each in super().side()]

    def rewind(self) -> list[Step]:
        """In place is a death and a birth: rehearsed, proven and sealed first; nothing is patched into a living one."""
        rehearse = self.step("rehearse", "the same restore beside the living database", Phase.PROVE, CONVERGE, "survey",
                             deadline=14400, weight=4, undo=True)  # fmt: skip
        marker, backup, proof = self.prove()
        seal = {step.action: step for step in self.seal()}
        seal["marker-b"] = dataclasses.replace(seal["marker-b"], needs=(rehearse.id, proof.id))
        seal["fence"] = dataclasses.replace(seal["fence"], action="shut")
        listing, destroy = self.clearing()
        born = {step.action: step for step in self.home()}
        lock = dataclasses.replace(born["lock"], needs=(f"{self.layer.id}.survey", destroy.id))
        home = dataclasses.replace(born["home"], needs=(lock.id,))
        compare = self.step("compare", "count every table again", Phase.RESTORE, READ, "promote", deadline=3600)
        lift, *rest = self.opening()
        ready = tuple(compare.id if need.endswith(".data-proof") else need for need in lift.needs)
        return [
            rehearse, marker, backup, proof, *seal.values(), listing, dataclasses.replace(destroy, provides=()),
            lock, home, born["promote"], compare, born["roles"], born["pooler"],
            dataclasses.replace(lift, needs=ready), *rest,
        ]  # fmt: skip

    def clearing(self) -> list[Step]:
        """In a cluster that stays: the PostgresCluster and what castle made for it go, and the volumes with them."""
        listing, destroy = super().clearing()
        return [listing, dataclasses.replace(destroy, title="delete the database", deadline=900)]

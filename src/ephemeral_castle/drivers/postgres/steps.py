"""The plan of a `postgres` layer: pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from ephemeral_castle.drivers.postgres import footing
from ephemeral_castle.drivers.postgres.options import PostgresOptions, ServerOptions
from ephemeral_castle.model.castle import Layer, Verb
from ephemeral_castle.model.step import Effect, Phase, Step
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.units import format_duration
from ephemeral_castle.spi.ways import raised_here

SEALING = (Verb.REBIRTH, Verb.WIPE, Verb.SEAL)
RAISING = (Verb.REBIRTH, Verb.RAISE)
DESTROYING = (Verb.REBIRTH, Verb.WIPE)
FROM_NOTHING = (Verb.RAISE, Verb.DRILL)
DROP = "drop the cached image of PostgreSQL"
READ, CONVERGE, ONCE, IRREVERSIBLE = Effect.READ, Effect.CONVERGE, Effect.ONCE, Effect.IRREVERSIBLE


def plan(layer: Layer, options: PostgresOptions, request: Request) -> Sequence[Step]:
    """All steps of the layer for the verb, in reading order."""
    if options.namespace:
        footing.check(layer, request)
    own, on_cluster = raised_here(request), options.namespace is not None
    return made(Maker(layer, options, _carriers(options, own=own), on_cluster=on_cluster, own_cluster=own), request)


def _carriers(options: PostgresOptions, *, own: bool) -> tuple[str, str]:
    """What must stand for the database, and for its pooler."""
    if not options.namespace:
        return f"machine:{options.machine}", f"machine:{options.pooler}"
    sure = "" if own else "?"  # the driver of a cluster that stands already need not announce it
    node = f"node:{options.node}" if options.node else "cluster-worker"
    return (f"{node}{sure} push",) * 2


def made(maker: Maker, request: Request) -> Sequence[Step]:
    """All that a maker makes for the verb, in reading order."""
    steps = maker.prepare(request)
    if request.verb in SEALING:
        steps += maker.prove() + maker.seal(" ".join(f"proven:{each.id}?" for each in request.site.layers))
    if request.cold and request.verb in SEALING:
        steps += maker.cold(request)
    if request.verb in RAISING:
        steps += maker.home() + maker.opening()
    if request.verb is Verb.DRILL:
        steps += maker.drill()
    if request.verb is Verb.BACKUP:
        steps += maker.backup(request)
    if request.verb is Verb.RESTORE:
        steps += maker.side() if request.side else maker.rewind()
    if request.verb in DESTROYING and maker.on_cluster and not maker.own_cluster:
        steps += maker.clearing()
    return steps


OF_OTHERS = ("cluster-", "old-", "unsealed", "announced", "machines-gone", "room")  # capabilities of other layers


class Maker:
    """Builds steps of one layer with short names.

    Args:
        layer: of the definition.
        options: of the layer.
        carriers: what must stand for the database, and for its pooler.
        on_cluster: whether it is at home in a Kubernetes cluster.
        own_cluster: whether castle raises that.
    """

    def __init__(
        self, layer: Layer, options: ServerOptions, carriers: tuple[str, str], *, on_cluster: bool, own_cluster: bool
    ) -> None:
        self.layer, self.options, self.carriers = layer, options, carriers
        self.on_cluster, self.own_cluster = on_cluster, own_cluster

    def step(self, action: str, title: str, phase: Phase, effect: Effect, needs: str = "", **more: Any) -> Step:
        """One step; `needs` are names of steps of this layer, or capabilities when they hold a colon or a dash."""
        full = tuple(
            n if ":" in n or "." in n or n.startswith(OF_OTHERS) else f"{self.layer.id}.{n}" for n in needs.split()
        )
        more.setdefault("deadline", 120.0)
        return Step(
            f"{self.layer.id}.{action}",
            self.layer.id,
            self.layer.driver,
            action,
            title,
            phase,
            effect,
            needs=full,
            exact=True,
            **more,
        )

    def prepare(self, request: Request) -> list[Step]:
        """Image, the container for proofs, and a look at both sides: what is here, what is in the repository."""
        phase = Phase.PREPARE
        steps = [
            self.step("image", "image of PostgreSQL", phase, CONVERGE, deadline=1800, weight=60),
            self.step("outside", "container for proofs", phase, CONVERGE, "image room?", recheck=True, weight=0.3),
            *self.push(request),
        ]
        if request.verb in FROM_NOTHING:
            if request.cold:
                steps = [
                    self.step("cold", DROP, phase, CONVERGE),
                    dataclasses.replace(steps[0], needs=(f"{self.layer.id}.cold",)),
                    *steps[1:],
                ]
            # A life that stands is looked at: by the cluster that carries it, once that is awake.
            there = "outside old-machines? old-cluster?" if self.on_cluster else "outside old-machines?"
            return [*steps, self.step("survey", "look at the repository", phase, READ, there, weight=0.4)]
        needs = "image push? old-machines? old-cluster?" if self.on_cluster else "image old-machines?"
        steps.append(self.step("revive", "the standing database", phase, CONVERGE, needs, deadline=300, recheck=True))
        steps.append(self.step("survey", "look at database and repository", phase, READ, "outside revive", weight=0.5))
        return steps

    def push(self, request: Request) -> list[Step]:
        """The image to where nodes pull it from. A backup starts no pod, and must not want a registry.

        Where nothing stands, nothing is lost by its failing late, and the machines are made meanwhile.
        """
        if not self.on_cluster or request.verb is Verb.BACKUP:
            return []
        phase = Phase.APPLY if request.verb in FROM_NOTHING else Phase.PREPARE
        title = "image of PostgreSQL to the registry"
        return [self.step("push", title, phase, CONVERGE, "image", deadline=1800, weight=8)]

    def clearing(self) -> list[Step]:
        """In a cluster that stays: what castle made in it for this database is listed, and just that is deleted."""
        listing = self.step("inventory", "list what will be deleted", Phase.DESTROY, READ, "revive", recheck=True)
        destroy = self.step("destroy", "delete the database's objects", Phase.DESTROY, IRREVERSIBLE, "inventory",
                            clock="destroy", provides=("machines-gone",), deadline=3600, weight=0.6)  # fmt: skip
        return [listing, destroy]

    def cold(self, request: Request) -> list[Step]:
        """The image goes when nothing stands on it any more; a rebirth builds it again, with what runs on it."""
        steps = [self.step("cold", DROP, Phase.APPLY, CONVERGE, "machines-gone?")]
        if request.verb in RAISING:
            image, outside = self.prepare(request)[:2]
            again = dataclasses.replace(
                image, id=f"{self.layer.id}.image-cold", phase=Phase.APPLY, needs=(f"{self.layer.id}.cold",)
            )
            proofs = dataclasses.replace(
                outside, id=f"{self.layer.id}.outside-cold", phase=Phase.APPLY, needs=(again.id,)
            )
            steps += [again, proofs]
        return steps

    def prove(self) -> list[Step]:
        """A backup that carries a marker is restored elsewhere and read."""
        phase = Phase.PROVE
        return [
            self.step("marker-a", "marker before the backup", phase, ONCE, "survey"),
            self.step("backup", "backup that carries the marker", phase, ONCE, "marker-a", deadline=7200, weight=2.5),
            self.step(
                "proof",
                "restore it outside and read it",
                phase,
                ONCE,
                "backup",
                deadline=7200,
                weight=1.5,
                provides=(f"proven:{self.layer.id}",),
            ),
        ]

    def seal(self, proven: str = "") -> list[Step]:
        """The cut: fence, digest, mark, archived, read back, stopped; `proven`: what else must be proven before it.

        The proof of another treasure may take an hour: clients are not locked out for it, nor for one that fails.
        """
        phase = Phase.SEAL
        fence = self.options.fence_timeout + 15
        sealed = (f"sealed:{self.layer.id}",)
        return [
            self.step("marker-b", "marker before the cut", phase, ONCE, f"proof {proven}", undo=True),
            self.step("fence", "fence writers out", phase, ONCE, "marker-b unsealed?", undo=True, recheck=True,
                      clock="cut", deadline=fence),
            self.step("digest", "count and digest every table", phase, READ, "fence", deadline=3600, weight=1),
            self.step("mark", "restore point, switch, archived", phase, ONCE, "fence", weight=0.3),
            self.step("readback", "read the archive back", phase, READ, "mark", weight=0.3),
            self.step("stop", "stop, compare control data", phase, ONCE, "digest readback", undo=True, recheck=True,
                      provides=sealed, weight=0.4),
        ]  # fmt: skip

    def home(self) -> list[Step]:
        """Restore as standby to the mark, promote, prove the data while writers are fenced out."""
        phase = Phase.RESTORE
        data, edge = self.carriers
        return [
            self.step("home", "bring the data home", phase, IRREVERSIBLE,
                      f"{data} survey castle.writer outside-cold?", deadline=14400, weight=2,
                      provides=(f"arrived:{self.layer.id}",)),
            self.step("promote", "promote, archive the new history", phase, IRREVERSIBLE,
                      "home old-writer-revoked announced?", deadline=300, weight=0.6),
            self.step("data-proof", "compare every table with the seal", phase, READ, "home", deadline=3600, weight=1),
            self.step("roles", "set the users' passwords", phase, IRREVERSIBLE, "promote"),
            self.step("pooler", "PgBouncer", phase, CONVERGE, f"{edge} {data} survey outside-cold?",
                      provides=(f"address:{self.layer.id}",), recheck=True, weight=0.3),
        ]  # fmt: skip

    def drill(self) -> list[Step]:
        """The way home from the treasury alone: as reader, to a promotion that nobody hears of."""
        steps = {step.action: step for step in (*self.home(), self.opening()[0])}
        home, promote, proof = steps["home"], steps["promote"], steps["data-proof"]
        name = self.layer.id
        carriers = self.step("home", "", Phase.RESTORE, IRREVERSIBLE, self.carriers[0]).needs
        steps["home"] = dataclasses.replace(home, needs=(*carriers, f"{name}.survey"))
        steps["promote"] = dataclasses.replace(promote, title="promote, archive nothing", needs=(f"{name}.home",))
        title = "read every table, look for the marks of the last life"
        steps["data-proof"] = dataclasses.replace(proof, action="drill-proof", title=title)
        return list(steps.values())

    def opening(self) -> list[Step]:
        """Lift the fence; back up the new life."""
        return [
            self.step("lift", "lift the fence", Phase.OPEN, ONCE, "roles data-proof pooler unsealed?",
                      provides=(f"open:{self.layer.id}",)),
            self.step("backup-after", "backup of the new life", Phase.VERIFY, ONCE,
                      f"lift served:{self.layer.id}?", deadline=7200, weight=2.5),
        ]  # fmt: skip

    def backup(self, request: Request) -> list[Step]:
        """A backup in every repository; the keeper expires when asked."""
        age = format_duration(self.options.full_every)
        title = "full backup" if request.full else f"backup, a full one where the last is {age} old"
        steps = [self.step("backup-now", title, Phase.PROVE, ONCE, "survey", deadline=14400)]
        if request.prove:
            marker, _, proof = self.prove()
            steps[0] = dataclasses.replace(steps[0], needs=(marker.id,))
            steps = [marker, *steps, dataclasses.replace(proof, needs=(steps[0].id,))]
        if request.expire:
            steps.append(
                self.step("expire", "expire old backups", Phase.PROVE, IRREVERSIBLE, "backup-now", deadline=3600)
            )
        return steps

    def rewind(self) -> list[Step]:
        """In place: the same restore beside the living one first, then the cut, and only then the real one."""
        rehearse = self.step("rehearse", "the same restore beside the living database", Phase.PROVE, CONVERGE, "survey",
                             deadline=14400, weight=2, provides=(f"proven:{self.layer.id}",))  # fmt: skip
        seal = {step.action: step for step in self.seal()}
        seal["marker-b"] = dataclasses.replace(seal["marker-b"], needs=(rehearse.id,))
        seal["fence"] = dataclasses.replace(seal["fence"], action="shut")
        after = Phase.RESTORE
        return [
            rehearse,
            *seal.values(),
            self.step("rewind", "restore in place", Phase.DESTROY, IRREVERSIBLE, "stop", deadline=14400, weight=2,
                      clock="destroy"),
            self.step("promote", "archive the new history", after, IRREVERSIBLE, "rewind", deadline=300, weight=0.3),
            self.step("compare", "count every table again", after, READ, "promote", deadline=3600, weight=1),
            self.step("roles", "set the users' passwords", after, IRREVERSIBLE, "promote"),
            self.step("pooler", "PgBouncer", after, CONVERGE, "roles compare",
                      provides=(f"address:{self.layer.id}",), recheck=True, weight=0.3),
            *(dataclasses.replace(step, needs=tuple(need for need in step.needs if not need.endswith(".data-proof")))
              for step in self.opening()),
        ]  # fmt: skip

    def side(self) -> list[Step]:
        """A copy as of a point in time, beside the living database."""
        return [self.step("side", "bring a copy up beside the living one", Phase.RESTORE, CONVERGE, "survey",
                          deadline=14400)]  # fmt: skip

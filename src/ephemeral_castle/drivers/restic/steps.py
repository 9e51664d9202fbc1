"""The plan of a `restic` layer: pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from ephemeral_castle.drivers.restic.options import ResticOptions
from ephemeral_castle.model.castle import Layer, Verb
from ephemeral_castle.model.step import Effect, Phase, Step
from ephemeral_castle.spi.driver import Request

SEALING = (Verb.REBIRTH, Verb.WIPE, Verb.SEAL)
RAISING = (Verb.REBIRTH, Verb.RAISE)
READ, CONVERGE, ONCE, IRREVERSIBLE = Effect.READ, Effect.CONVERGE, Effect.ONCE, Effect.IRREVERSIBLE
LONG = 14400.0  # seconds


def plan(layer: Layer, options: ResticOptions, request: Request) -> Sequence[Step]:
    """All steps of the layer for the verb, in reading order."""
    maker = _Maker(layer, options, request)
    steps = maker.prepare()
    if request.verb in SEALING:
        steps += maker.prove() + maker.seal()
    if request.cold and request.verb in SEALING:
        steps += maker.cold()
    if request.verb in RAISING:
        steps += maker.home()
    if request.verb is Verb.DRILL:
        steps += maker.home()[:1]
    if request.verb is Verb.BACKUP:
        steps += maker.backup()
    if request.verb is Verb.RESTORE:
        steps += maker.side() if request.side else maker.rewind()
    return steps


class _Maker:
    """Builds steps of one layer with short names."""

    def __init__(self, layer: Layer, options: ResticOptions, request: Request) -> None:
        self.layer, self.options, self.request = layer, options, request

    def step(self, action: str, title: str, phase: Phase, effect: Effect, needs: str = "", **more: Any) -> Step:
        """One step; a need that begins with a dot is a step of this layer."""
        full = tuple(self.layer.id + need if need.startswith(".") else need for need in needs.split())
        more.setdefault("deadline", 300.0)
        return Step(f"{self.layer.id}.{action}", self.layer.id, "restic", action, title, phase, effect,
                    needs=full, exact=True, **more)  # fmt: skip

    def prepare(self) -> list[Step]:
        """Image, the container for proofs, and a look at both sides: what is here, what is in the repository."""
        phase = Phase.PREPARE
        before = ".cold?" if self.request.verb is Verb.RAISE else ""
        steps = [
            self.step("image", "image of restic", phase, CONVERGE, before, deadline=1800.0, weight=40),
            self.step("outside", "container for proofs", phase, CONVERGE, ".image room?", recheck=True, weight=0.3),
            self.step("survey", "look at files and repository", phase, READ, ".outside old-machines?", deadline=4500.0,
                      weight=0.8),
        ]  # fmt: skip
        if self.request.cold and self.request.verb is Verb.RAISE:
            steps.insert(0, self.step("cold", "drop the cached image of restic", phase, CONVERGE))
        return steps

    def cold(self) -> list[Step]:
        """The image goes when nothing stands on it any more; a rebirth builds it again."""
        steps = [self.step("cold", "drop the cached image of restic", Phase.APPLY, CONVERGE, "machines-gone?")]
        if self.request.verb in RAISING:
            image = self.step("image", "image of restic, from nothing", Phase.APPLY, CONVERGE, ".cold", deadline=1800.0)
            outside = self.step("outside", "container for proofs", Phase.APPLY, CONVERGE, ".image-cold")
            steps.append(dataclasses.replace(image, id=f"{self.layer.id}.image-cold"))
            steps.append(dataclasses.replace(outside, id=f"{self.layer.id}.outside-cold"))
        return steps

    def prove(self) -> list[Step]:
        """A snapshot that carries a marker is restored elsewhere, and every file of it compared."""
        phase = Phase.PROVE
        return [
            self.step("backup", "snapshot beside the living files", phase, ONCE, ".survey", deadline=LONG, weight=1),
            self.step("proof", "restore it outside and read every file", phase, ONCE, ".backup", deadline=LONG,
                      provides=(f"proven:{self.layer.id}",), weight=2),
        ]  # fmt: skip

    def seal(self) -> list[Step]:
        """The cut: a last snapshot of a tree in which nothing stirs, read back."""
        phase = Phase.SEAL
        proven = " ".join(f"proven:{layer.id}?" for layer in self.request.site.layers)
        return [
            self.step("last", "last snapshot, while nothing writes", phase, ONCE,
                      f".proof {proven} still:* unsealed?", recheck=True, clock="cut",
                      deadline=LONG, weight=1),
            self.step("readback", "read the snapshot back", phase, READ, ".last", deadline=3600.0, weight=0.8),
            self.step("quiet", "nothing wrote since", phase, READ, ".readback", recheck=True,
                      provides=(f"sealed:{self.layer.id}",), weight=0.2),
        ]  # fmt: skip

    def home(self) -> list[Step]:
        """The snapshot restored and compared before anything uses it; a first snapshot of the new life."""
        name, machine = self.layer.id, self.options.machine
        return [
            self.step("home", "bring the files home and compare them", Phase.RESTORE, IRREVERSIBLE,
                      f"machine:{machine} .survey castle.writer? .outside-cold?", deadline=LONG, weight=1.5,
                      provides=(f"arrived:{name}", f"files:{machine}")),
            self.step("backup-after", "snapshot of the new life", Phase.VERIFY, ONCE,
                      f".home old-writer-revoked? served? served:{name}?", deadline=LONG, weight=1),
        ]  # fmt: skip

    def backup(self) -> list[Step]:
        """A snapshot; proven and old ones forgotten where asked."""
        phase = Phase.PROVE
        steps = [self.step("backup-now", "snapshot", phase, ONCE, ".survey", deadline=LONG, weight=1)]
        if self.request.prove:
            steps.append(
                self.step("proof-now", "restore it outside and read every file", phase, ONCE, ".backup-now",
                          deadline=LONG, provides=(f"proven:{self.layer.id}",), weight=2)
            )  # fmt: skip
        if self.request.expire:
            needs = ".backup-now .proof-now?"
            steps.append(self.step("expire", "forget old snapshots", phase, IRREVERSIBLE, needs, deadline=LONG))
        return steps

    def rewind(self) -> list[Step]:
        """In place: the snapshot is restored outside first, what is here is kept, and only then it is replaced."""
        proven = (f"proven:{self.layer.id}",)
        return [
            self.step("rehearse", "restore the snapshot outside first", Phase.PROVE, ONCE, ".survey", deadline=LONG,
                      provides=proven, weight=2),
            self.step("before", "snapshot of what is here now, while nothing writes", Phase.SEAL, ONCE,
                      ".rehearse still:* unsealed?", recheck=True, deadline=LONG, weight=1),
            # As late as may be: another treasure may be sealed for an hour meanwhile.
            self.step("calm", "nothing wrote since", Phase.SEAL, READ, ".before sealed:*", recheck=True, weight=0.2),
            self.step("rewind", "restore in place", Phase.DESTROY, IRREVERSIBLE, ".calm", deadline=LONG,
                      clock="destroy", weight=1.5),
        ]  # fmt: skip

    def side(self) -> list[Step]:
        """A copy as of a point in time, beside the living files."""
        return [self.step("side", "bring a copy up beside the living files", Phase.RESTORE, CONVERGE, ".survey",
                          deadline=LONG)]  # fmt: skip

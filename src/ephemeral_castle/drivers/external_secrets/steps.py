"""The plan of an `external-secrets` layer: pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ephemeral_castle.drivers.external_secrets.options import ExternalSecretsOptions
from ephemeral_castle.model.castle import Layer, Verb
from ephemeral_castle.model.step import Effect, Phase, Retry, Step
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.ways import raised_here

NAME = "external-secrets"
RAISING = (Verb.REBIRTH, Verb.RAISE, Verb.DRILL)
ROOM = 60.0  # seconds beside the wait itself
PATIENT = Retry(attempts=4, delay=1.0, factor=2.0, ceiling=8.0)


def plan(layer: Layer, options: ExternalSecretsOptions, request: Request) -> Sequence[Step]:
    """The store first, then what others wait for, and all the rest when the walls stand.

    A rebirth looks at the pass in the standing cluster ahead of everything: one that would not open the backup is found
    while there is something to go back to.
    """
    steps: list[Step] = []
    if options.cipher is not None and request.verb is Verb.REBIRTH:
        steps.append(
            _step(layer, "before", "the pass of the backups, in the standing cluster", Phase.PREPARE, Effect.READ,
                  needs=("old-machines?", "old-cluster?"), retry=Retry(attempts=1), deadline=60.0, weight=0.2)
        )  # fmt: skip
    stays_away = request.verb is Verb.DRILL and not raised_here(request)  # else it would ask the living ones
    return [*steps, *_raise(layer, options)] if request.verb in RAISING and not stays_away else steps


def _raise(layer: Layer, options: ExternalSecretsOptions) -> list[Step]:
    name, limit = layer.id, options.wait + ROOM
    below = tuple(f"flux:{need}?" for need in layer.needs)
    serving = tuple(f"serving:{need}?" for need in layer.needs)
    return [
        _step(layer, "store", f"store `{options.store}` answers", Phase.APPLY, Effect.CONVERGE,
              needs=("cluster-api?", *below), deadline=limit, recheck=True, weight=5),
        _step(layer, "synced", _title(options), Phase.APPLY, Effect.CONVERGE, needs=(f"{name}.store",),
              provides=(f"secrets:{name}",), deadline=limit, recheck=True, weight=3),
        _step(layer, "whole", "every secret of the store is there", Phase.OPEN, Effect.CONVERGE,
              needs=(f"{name}.synced", *serving), provides=(f"serving:{name}",), deadline=limit, recheck=True,
              weight=1),
    ]  # fmt: skip


def _title(options: ExternalSecretsOptions) -> str:
    names = [each.name for each in options.secrets]
    what = "secrets" if not names else f"secret {names[0]}" if len(names) == 1 else f"{len(names)} secrets"
    return f"{what} of this life, from the store" + (", with the right pass" if options.cipher else "")


def _step(layer: Layer, action: str, title: str, phase: Phase, effect: Effect, **more: Any) -> Step:
    known = {"exact": True, "retry": PATIENT, "params": {"v": 1}, **more}
    return Step(f"{layer.id}.{action}", layer.id, NAME, action, title, phase, effect, **known)

"""How the cluster of an old life was made, as its record tells: the definition may say otherwise by now. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ephemeral_castle.drivers.kubeadm.options import KubeadmOptions
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.driver import Context

KIND = "cluster"  # in the record's inventory; its id is the fingerprint of its CA


@dataclass(frozen=True)
class Made:
    """Names of the machines of its control plane, and its endpoint as the option has it."""

    control: tuple[str, ...]
    endpoint: str


def made(ctx: Context, life: int) -> Made:
    """Of the cluster of a life.

    A raise goes by the definition, as does every life that this run makes; so does what an older record does not tell.
    """
    options: KubeadmOptions = ctx.options
    if life != ctx.old_life or ctx.request.verb is Verb.RAISE:
        return Made(options.control, options.endpoint)
    item = recorded(ctx, life)
    return Made(tuple(item.get("control") or options.control), str(item.get("endpoint") or options.endpoint))


def recorded(ctx: Context, life: int) -> dict[str, Any]:
    """What the record knows of the cluster of a life; empty when nothing."""
    known = ctx.record.inventory.get(str(life), [])
    none: dict[str, Any] = {}
    return next((each for each in known if each.get("kind") == KIND and each.get("name") == ctx.layer.id), none)

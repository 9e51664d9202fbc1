"""Advice that depends on whether an object lives: what mends a newborn can destroy a living one. Pure."""

from __future__ import annotations

from ephemeral_castle.manifests.repository import Object
from ephemeral_castle.manifests.rules.rule import Setting

# To move an object between Kustomizations is, for the one that loses it, to take it out of Git: with `prune: true` it
# deletes it, a database with its volumes, a namespace with all that is in it. Who comes first is a matter of seconds.
MOVED = (
    "on a living cluster annotate what moves with `kustomize.toolkit.fluxcd.io/prune: disabled` first, and move it "
    "only when that is applied: the Kustomization that loses it would delete it"
)


def lives(setting: Setting, thing: Object) -> bool | None:
    """Whether it lives; None: nobody looked."""
    return None if setting.living is None else thing.subject in setting.living


def advice(setting: Setting, thing: Object, *, alive: str, unborn: str) -> tuple[str, ...]:
    """The advice that fits; where nobody looked both, the careful one first, each with its condition."""
    known = lives(setting, thing)
    if known is None:
        return (f"if it lives: {alive}", f"only if it was never born, or is dead: {unborn}")
    return (alive,) if known else (unborn,)

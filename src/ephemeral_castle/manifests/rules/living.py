"""Advice that depends on whether an object lives: what mends a newborn can destroy a living one. Pure."""

from __future__ import annotations

from ephemeral_castle.manifests.repository import Object
from ephemeral_castle.manifests.rules.rule import Setting


def lives(setting: Setting, thing: Object) -> bool | None:
    """Whether it lives; None: nobody looked."""
    return None if setting.living is None else thing.subject in setting.living


def advice(setting: Setting, thing: Object, *, alive: str, unborn: str) -> tuple[str, ...]:
    """The advice that fits; where nobody looked both, the careful one first, each with its condition."""
    known = lives(setting, thing)
    if known is None:
        return (f"if it lives: {alive}", f"only if it was never born, or is dead: {unborn}")
    return (alive,) if known else (unborn,)

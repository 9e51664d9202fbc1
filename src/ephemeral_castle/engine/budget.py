"""Budgets are watched while a run goes on: crossing one is told at once, not only in the report."""

from __future__ import annotations

from typing import Any

from ephemeral_castle.model.runview import RunView
from ephemeral_castle.model.timeline import timeline


def rto_crossed(view: RunView, limit: float | None, now: float) -> dict[str, Any] | None:
    """What `budget.crossed` carries, when the recovery time budget is used up and nobody was told yet.

    Args:
        view: the run. Its clock begins with the first act of destruction and ends with the last service probe.
        limit: the budget in seconds; None when the castle has none.
        now: Unix seconds.
    """
    if limit is None or not view.passed_no_return or any(each.data.get("which") == "rto" for each in view.budgets):
        return None
    rto = timeline(view, now).rto
    if rto.start is None:
        return None
    value = now - rto.start if rto.seconds is None else rto.seconds
    return {"which": "rto", "limit": limit, "value": round(value, 3)} if value > limit else None

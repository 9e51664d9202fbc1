"""The command that goes on after a person mended something outside. Pure."""

from __future__ import annotations

from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.driver import Context


def onward(ctx: Context) -> str:
    """`castle raise`, `castle drill` or `castle resume RUN`.

    A new run finds a life that the record knows. One that it does not know yet only its own run can finish, and that
    asks anew for what was mended when it is resumed.
    """
    if ctx.request.verb is Verb.DRILL:
        return f"castle resume {ctx.run}" if ctx.request.keep else "castle drill"
    known = bool(ctx.record.site) and ctx.record.life == ctx.life and not ctx.passed_no_return
    return "castle raise" if known else f"castle resume {ctx.run}"

"""`castle restore`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.chosen import chosen
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.confirm import confirm_name
from ephemeral_castle.cli.load import load
from ephemeral_castle.cli.options import (
    Common,
    common,
    confirm_option,
    detach_option,
    restore_options,
    set_option,
)
from ephemeral_castle.cli.request import request_of
from ephemeral_castle.cli.runs import start
from ephemeral_castle.model.castle import Verb

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command(
    "restore",
    cls=VerbCommand,
    examples=(
        ("castle restore --to 2026-02-07T19:00:00+01:00 --side", "a copy beside the living database"),
        ("castle restore --to 2026-02-07T19:00:00+01:00", "in place; asks for the castle's name"),
        ("castle restore --set database=20261122-032815F", "in place, one treasure from one backup"),
    ),
    exit_codes=(*exit_codes.ON_RUNS, exit_codes.UNCONFIRMED),
)
@restore_options
@set_option
@confirm_option
@detach_option
@common(progress=True)
def command(told: Common, confirm: str | None, *, to: str, side: bool, detach: bool, **flags: Any) -> int:
    """Bring data back from the repository, in place or beside the living.

    In place replaces the living data, after what they hold was archived. Without --layer every treasure is restored,
    and with --set those that are named.
    """
    request = request_of({"to": to, "side": side, **flags})
    castle = load(told)
    request = chosen(request, castle.site(told.site), Verb.RESTORE)
    if not side:
        what = _what(castle.name, to, request)
        confirm_name(castle.name, confirm, what, as_json=told.json)
    return start(told, castle, Verb.RESTORE, request, detach=detach)


def _what(castle: str, to: str, request: Mapping[str, Any]) -> str:
    """What a restore in place does, for who is asked whether it may."""
    picked = ", ".join(sorted({request.get("set_label", ""), *request.get("set_labels", {}).values()} - {""}))
    when = f"as of {to}" if to else f"of backup {picked}" if picked else "from the newest backup"
    whose = f"{', '.join(request['only'])} in castle {castle}" if "only" in request else f"castle {castle}"
    return f"This replaces the living data of {whose} with that {when}. --side only brings up a copy."

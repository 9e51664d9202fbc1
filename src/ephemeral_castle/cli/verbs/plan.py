"""`castle plan`."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.chosen import chosen
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.load import load
from ephemeral_castle.cli.options import Common, common, life_options, restore_options
from ephemeral_castle.cli.request import only_of_a_restore, request_of
from ephemeral_castle.cli.screen import out_paint
from ephemeral_castle.cli.wired import wiring
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.views.jsonl import dumps
from ephemeral_castle.views.planview import plan_json, plan_text
from ephemeral_castle.views.statusview import all_seen


@click.command(
    "plan",
    cls=VerbCommand,
    examples=(
        ("castle plan", "what a rebirth would destroy, keep and restore, step by step"),
        ("castle plan raise --new --offline", "without looking at the world"),
        ("castle plan restore --layer uploads --json", "of one treasure, for scripts"),
    ),
    exit_codes=(exit_codes.FAILED, exit_codes.UNSEEN),
)
@click.argument("verb", type=click.Choice([verb.value for verb in Verb]), default=Verb.REBIRTH.value)
@click.option("--offline", is_flag=True, help="Do not look at the world.")
@restore_options
@life_options
@common()
def command(told: Common, verb: str, *, offline: bool, **flags: Any) -> int:
    """Show what a verb would do. Changes nothing.

    VERB is rebirth when not given. The point of no return is marked. --to, --side and --layer are of a restore.
    """
    only_of_a_restore(flags, Verb(verb))
    request = request_of(flags)
    castle = load(told)
    request = chosen(request, castle.site(told.site), Verb(verb))
    wired = wiring()
    plan = wired.offline_plan(castle, Verb(verb), told.site, request)
    survey = None if offline else asyncio.run(wired.survey(castle, told.site))
    code = exit_codes.UNSEEN if survey is not None and not all_seen(survey) else exit_codes.OK
    if told.json:
        click.echo(dumps(plan_json(plan, survey)))
        return code
    treasury = f"s3://{castle.treasury.bucket}/{castle.treasury.prefix}"
    text = plan_text(
        plan,
        budget=castle.budget,
        treasury=treasury,
        survey=survey,
        defaults=wired.effective(castle),
        paint=out_paint(),
    )
    click.echo(text)
    return code

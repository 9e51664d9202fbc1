"""`castle card`."""

from __future__ import annotations

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.load import load
from ephemeral_castle.cli.options import Common, common
from ephemeral_castle.cli.wired import wiring
from ephemeral_castle.views.card import card_json, card_text
from ephemeral_castle.views.jsonl import dumps


@click.command(
    "card",
    cls=VerbCommand,
    examples=(
        ("castle card | lp", "on paper, to carry"),
        ("castle card -f home.yaml", "of a certain castle"),
        ("castle card --json", "for scripts"),
    ),
    exit_codes=(exit_codes.FAILED,),
)
@common()
def command(told: Common) -> int:
    """Print the page that one must carry to come back from nothing.

    Addresses, fingerprints, the names of the secrets to bring, and the commands. It holds no secret.
    """
    card = wiring().card(load(told), told.site)
    click.echo(dumps(card_json(card)) if told.json else card_text(card))
    return 0

"""`castle seal`."""

from __future__ import annotations

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.load import load
from ephemeral_castle.cli.options import Common, common, detach_option, prove_option
from ephemeral_castle.cli.request import request_of
from ephemeral_castle.cli.runs import start
from ephemeral_castle.model.castle import Verb


@click.command(
    "seal",
    cls=VerbCommand,
    examples=(
        ("castle seal", "before the computer is switched off for long"),
        ("castle seal --json --progress none", "for scripts: only the report"),
        ("castle seal --detach", "prints the run's id and leaves"),
    ),
    exit_codes=exit_codes.ON_RUNS,
)
@prove_option
@detach_option
@common(progress=True)
def command(told: Common, *, detach: bool, prove: bool) -> int:
    """Fence writers out and prove that the backup holds everything.

    After it nothing can be written until `castle raise`.
    """
    return start(told, load(told), Verb.SEAL, request_of({"prove": prove}), detach=detach)

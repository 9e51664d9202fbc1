"""`castle backup`."""

from __future__ import annotations

from typing import Any

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.load import load
from ephemeral_castle.cli.options import Common, common, detach_option, prove_option
from ephemeral_castle.cli.request import request_of
from ephemeral_castle.cli.runs import start
from ephemeral_castle.model.castle import Verb


@click.command(
    "backup",
    cls=VerbCommand,
    examples=(
        ("castle backup", "what changed since the last backup"),
        ("castle backup --full --expire", "a full one, then old ones expire by the keeper's identity"),
        ("castle backup --prove --progress none", "for a timer: restored elsewhere and read, too"),
    ),
    exit_codes=exit_codes.ON_RUNS,
)
@click.option("--full", is_flag=True, help="A full backup instead of an incremental one.")
@prove_option
@click.option("--expire", is_flag=True, help="Let old backups expire afterwards.")
@detach_option
@common(progress=True)
def command(told: Common, *, detach: bool, **flags: Any) -> int:
    """Back the treasures up; with --prove the backup is restored outside the castle and read.

    A proof that is young enough spares the next rebirth its own.
    """
    return start(told, load(told), Verb.BACKUP, request_of(flags), detach=detach)

"""`castle doctor`."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.load import load
from ephemeral_castle.cli.options import Common, common
from ephemeral_castle.cli.screen import out_paint
from ephemeral_castle.cli.wired import wiring
from ephemeral_castle.views.jsonl import dumps
from ephemeral_castle.views.listings import doctor_text


@click.command(
    "doctor",
    cls=VerbCommand,
    examples=(
        ("castle doctor", "this computer, and the castle whose definition is here"),
        ("castle doctor -f home.yaml --site home", "a certain castle on a certain site"),
        ("castle doctor --json", "for scripts"),
    ),
    exit_codes=(exit_codes.FAILED, exit_codes.ALARM),
)
@common()
def command(told: Common) -> int:
    """Look at this computer, the treasury and the keys, and name what mends each finding.

    Without a definition only the computer is looked at. Writes test objects into the treasury and
    removes them again; changes nothing else. Exits 8 when something blocks a run.
    """
    castle = load(told) if Path(told.file).exists() else None
    checks = [dataclasses.asdict(check) for check in asyncio.run(wiring().doctor(castle, told.site))]
    healthy = all(check["ok"] is not False for check in checks)
    data = {"kind": "doctor", "castle": castle.name if castle else None, "healthy": healthy, "checks": checks}
    click.echo(dumps(data) if told.json else doctor_text(checks, out_paint()))
    return exit_codes.OK if healthy else exit_codes.ALARM

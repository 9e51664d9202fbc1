"""`castle kubeconfig`."""

from __future__ import annotations

import asyncio

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.load import load
from ephemeral_castle.cli.options import Common, common
from ephemeral_castle.cli.wired import wiring
from ephemeral_castle.views.jsonl import dumps


@click.command(
    "kubeconfig",
    cls=VerbCommand,
    examples=(
        ("castle kubeconfig", "into the castle's own directory; prints the path"),
        ("castle kubeconfig --json", "for a script: `path` is what KUBECONFIG takes"),
        ("castle kubeconfig --out ~/.kube/home", "to another place"),
    ),
    exit_codes=(exit_codes.FAILED,),
)
@click.option("--out", metavar="FILE", default="", help="Where it is written; only an earlier one is overwritten.")
@common()
def command(told: Common, out: str) -> int:
    """Write the key of the castle's cluster into a file that only you can read, and print its path.

    It is the administrator's key of the life that stands, for this computer; the next life has another one.
    """
    found = asyncio.run(wiring().kubeconfig(load(told), told.site, out))
    click.echo(dumps({"kind": "kubeconfig", **found}) if told.json else found["file"])
    return 0

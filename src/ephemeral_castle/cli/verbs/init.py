"""`castle init`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.access import access_of
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.options import Common, common
from ephemeral_castle.cli.screen import asks
from ephemeral_castle.cli.wired import wiring
from ephemeral_castle.errors import UsageError
from ephemeral_castle.views.jsonl import dumps
from ephemeral_castle.views.listings import init_text

# What is asked, and what is taken when nobody can be asked.
QUESTIONS = {
    "name": ("Name of the castle", "here"),
    "endpoint": ("URL of an S3 server; empty: castle keeps one on this computer", ""),
    "bucket": ("Bucket; empty: castle-NAME", ""),
    "memory": ("Memory of the machine with the database", "2GiB"),
    "database": ("Name of the first database", "app"),
    "user": ("Name of its owner", "app"),
}


@click.command(
    "init",
    cls=VerbCommand,
    examples=(
        ("castle init", "asks six questions and writes castle.yaml here"),
        ("castle init --endpoint https://s3.example.org --bucket vault --access keys.txt", "asks only what is missing"),
        ("castle init --name here --directory /srv/castle --json", "for scripts; what is missing takes its default"),
    ),
    exit_codes=(exit_codes.FAILED,),
)
@click.option("--name", help="Name of the castle.")
@click.option("--endpoint", metavar="URL", help="An S3 server; castle keeps one on this computer when empty.")
@click.option("--bucket", help="Bucket, or s3://BUCKET/PREFIX.")
@click.option("--memory", metavar="SIZE", help="Memory of the machine with the database.")
@click.option("--database", metavar="DB", help="Name of the first database.")
@click.option("--user", help="Name of its owner.")
@click.option(
    "--access",
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Access key id and secret of --endpoint, a line each; - for standard input.",
)
@click.option("--directory", type=click.Path(file_okay=False, path_type=Path), default=".", help="Where to write.")
@common(file=False, site=False)
def command(told: Common, directory: Path, access: str | None, **flags: str | None) -> int:
    """Write a small working definition and its key file, by asking or from flags.

    Never overwrites a file. Prints a systemd timer for backups and the next commands. Keys of an S3
    server of yours are asked for, or read from --access; without them the key file has two lines to fill in.
    """
    ask = asks() and not told.json
    answers = _answers(flags, ask=ask)
    keys = _access(access, ask=ask and bool(answers["endpoint"]))
    if access is not None and not answers["endpoint"]:
        raise UsageError("--access belongs to --endpoint", why="castle makes the keys of a server that it keeps itself")
    answer = asyncio.run(wiring().init_castle(answers, directory, keys))
    click.echo(dumps({"kind": "init", **answer}) if told.json else init_text(answer))
    return 0


def _access(file: str | None, *, ask: bool) -> tuple[str, str] | None:
    """Access key id and secret, from the file or from the person; never from the command line, which others can see.

    Raises:
        UsageError: the file cannot be read, or has something else than two lines.
    """
    if file is not None:
        return access_of(file)
    key = (
        click.prompt("Access key id; empty: fill it in later", default="", show_default=False, err=True) if ask else ""
    )
    return (key, click.prompt("Its secret", hide_input=True, err=True)) if key else None


def _answers(flags: dict[str, str | None], *, ask: bool) -> dict[str, str]:
    """Every answer: from its flag, else from the person, else the default."""
    answers = {}
    for key, (question, default) in QUESTIONS.items():
        given = flags[key]
        if given is None and ask:
            given = click.prompt(question, default=default, show_default=bool(default), err=True)
        answers[key] = default if given is None else given
    return answers

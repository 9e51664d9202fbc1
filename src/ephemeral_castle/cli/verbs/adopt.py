"""`castle adopt`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.access import access_of
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.load import load
from ephemeral_castle.cli.options import Common, common
from ephemeral_castle.cli.wired import wiring
from ephemeral_castle.errors import UsageError
from ephemeral_castle.views.adoption import adoption_text, role_text
from ephemeral_castle.views.jsonl import dumps


@click.command(
    "adopt",
    cls=VerbCommand,
    examples=(
        ("castle adopt --context home", "looks at that cluster and writes castle.yaml here"),
        ("castle adopt --context home --name home --endpoint https://s3.example.org --access keys.txt", "for scripts"),
        ("castle adopt --rbac > role.yaml", "the rights that the castle of castle.yaml needs, and no more"),
    ),
    exit_codes=(exit_codes.FAILED,),
)
@click.option(
    "--context", metavar="NAME", default="", help="Context of the kubeconfig; the current one when not given."
)
@click.option(
    "--kubeconfig", metavar="FILE", default="", help="Kubeconfig, or several joined by `:`; as kubectl finds them."
)
@click.option("--name", metavar="NAME", default="", help="Name of the castle; that of the context when not given.")
@click.option("--endpoint", metavar="URL", default="", help="S3 server of the treasury; castle keeps one when empty.")
@click.option("--bucket", metavar="BUCKET", default="", help="Bucket of the treasury, or s3://BUCKET/PREFIX.")
@click.option(
    "--access",
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Access key id and secret of --endpoint, a line each; - for standard input.",
)
@click.option("--directory", type=click.Path(file_okay=False, path_type=Path), default=".", help="Where to write.")
@click.option("--rbac", is_flag=True, help="Print the ClusterRole that castle needs, and do nothing else.")
@common()
def command(told: Common, *, rbac: bool, directory: Path, access: str | None, **flags: str) -> int:
    """Look at a living cluster, write a definition of it, and tell what would not come back.

    Nothing in the cluster is changed, and no secret is written. Never overwrites a file. With --rbac, and a definition
    (-f), nothing is asked of the cluster at all.
    """
    if access is not None and not flags["endpoint"]:
        raise UsageError("--access belongs to --endpoint", why="castle makes the keys of a server that it keeps itself")
    where = {"context": flags["context"], "kubeconfig": flags["kubeconfig"], "site": told.site}
    if rbac:
        castle = load(told) if Path(told.file).exists() and not where["context"] else None
        found = asyncio.run(wiring().rights(castle, told.site, {**where, "name": flags["name"]}))
        click.echo(dumps({"kind": "role", **found}) if told.json else role_text(found))
        return 0
    answers = {key: flags[key] for key in ("name", "endpoint", "bucket")}
    keys = access_of(access) if access is not None else None
    answer = asyncio.run(wiring().adopt(answers, {**where, "directory": str(directory), "access": keys}))
    click.echo(dumps({"kind": "adopt", **answer}) if told.json else adoption_text(answer))
    return 0

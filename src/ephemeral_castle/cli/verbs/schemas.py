"""`castle schemas`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.options import Common, common
from ephemeral_castle.cli.wired import shelving
from ephemeral_castle.errors import UsageError
from ephemeral_castle.views.jsonl import dumps


@click.command(
    "schemas",
    cls=VerbCommand,
    examples=(
        ("castle schemas", "which kinds can be judged here, and where their schemas come from"),
        ("castle schemas pull go:github.com/external-secrets/external-secrets@v1.3.2", "an operator's CRDs, pinned"),
        ("castle schemas pull", "everything that castle-schemas.lock pins, on another computer"),
    ),
    exit_codes=(exit_codes.FAILED,),
)
@click.argument("action", type=click.Choice(["list", "pull", "drop"]), default="list")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option("--sha256", metavar="HASH", default="", help="Hash that the file of the one URL must have.")
@click.option("--kubeconfig", metavar="FILE", default="", help="Kubeconfig of a cluster; as kubectl finds it.")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, exists=True),
    default=".",
    help="Directory of the repository whose lock is meant.",
)
@common(file=False, site=False)
def command(told: Common, action: str, sources: tuple[str, ...], **flags: str) -> int:
    """List the schemas that `castle check` judges by, pull more and pin them in castle-schemas.lock, or drop a source.

    A SOURCE is a directory or file, https://..., go:MODULE@VERSION (by GOPROXY), cluster:CONTEXT, or
    pypi:kubernetes-validate==1.36.0 for the built-in kinds; SOURCE#PATH takes only what lies below PATH in it. CRDs
    that lie in the repository need no pull.
    """
    if action == "list" and sources:
        raise UsageError("`castle schemas list` takes no source", hints=[f"castle schemas pull {sources[0]}"])
    if flags["sha256"] and not (len(sources) == 1 and "://" in sources[0]):
        raise UsageError("--sha256 belongs to one URL", hints=["castle schemas pull https://... --sha256 HASH"])
    if action == "drop" and len(sources) != 1:
        raise UsageError("`castle schemas drop` takes one source", hints=["castle schemas"])
    if action == "drop":
        found = shelving().drop(flags["directory"], sources[0])
    elif action == "list":
        found = shelving().known(flags["directory"])
    else:
        found = asyncio.run(shelving().pulled(sources=sources, **flags))
    if told.json:
        click.echo(dumps({"kind": "schemas", **found}))
    else:
        click.echo({"pull": _pulled, "drop": _dropped, "list": _listed}[action](found))
    return 0


def _pulled(found: Mapping[str, Any]) -> str:
    lines = [
        f"{each['name']}: {each['kinds']} kinds and versions, {each['changed']} new or changed"
        for each in found["sources"]
    ]
    stray = [
        f"warning: {each['name']} lies outside of the repository, so no other computer can pull it: "
        "copy it into the repository, drop this source and pull the copy"
        for each in found["sources"]
        if not each["portable"]
    ]
    return "\n".join([*lines, f"pinned in {found['lock']}", *stray])


def _dropped(found: Mapping[str, Any]) -> str:
    return f"{found['dropped']} kinds and versions are pinned no more in {found['lock']}"


def _listed(found: Mapping[str, Any]) -> str:
    if not found["lock"]:
        return "no castle-schemas.lock here: only CRDs that lie in the repository are known\ncastle schemas pull SOURCE"
    counts = Counter(each["source"] for each in found["kinds"])
    lines = [f"{found['lock']}"]
    for source in found["sources"]:
        lines.append(f"\n{source['name']}  {counts[source['name']]} kinds and versions  {source['digest'][:19]}")
        of = (each for each in found["kinds"] if each["source"] == source["name"])
        for each in sorted(of, key=lambda row: (row["api"], row["kind"])):
            notes = [
                word
                for word, holds in (("not served", not each["served"]), ("not in the cache", not each["cached"]))
                if holds
            ]
            lines.append(f"  {each['api']} {each['kind']}{'  (' + ', '.join(notes) + ')' if notes else ''}")
    if any(not each["cached"] for each in found["kinds"]):
        lines.append("\nwhat is not in the cache is not looked into: castle schemas pull")
    return "\n".join(lines)

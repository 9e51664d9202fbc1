"""Asks for the castle's name before something that cannot be taken back."""

from __future__ import annotations

import shlex

import click

from ephemeral_castle.cli.screen import asks
from ephemeral_castle.errors import NeedsConfirmation


def confirm_name(castle: str, given: str | None, what: str, *, as_json: bool = False) -> None:
    """Returns when the person confirmed.

    Args:
        castle: the name that must be given.
        given: what stood behind `--confirm`, None when it was not used.
        what: one line on what will happen, shown before the question.
        as_json: a script is calling: never ask.

    Raises:
        NeedsConfirmation: no name without a terminal, or a wrong one.
    """
    if given is None and asks() and not as_json:
        click.echo(what, err=True)
        try:
            given = click.prompt(
                "Type its name to continue", prompt_suffix=": ", err=True, default="", show_default=False
            )
        except click.Abort:
            click.echo("", err=True)
            given = ""
    if given == castle:
        return
    why = f"the name given was `{given}`, the castle is `{castle}`" if given else "its name was not given"
    raise NeedsConfirmation(
        "the castle's name is needed before anything is destroyed or replaced",
        why=why,
        state="nothing was changed",
        hints=(f"`{command_line(castle)}`",),
    )


def command_line(castle: str) -> str:
    """The same command with the confirmation it lacked."""
    context = click.get_current_context(silent=True)
    words: list[str] = context.find_root().obj if context is not None else []
    kept, skip = [], False
    for word in words:
        if skip or word == "--confirm":
            skip = word == "--confirm"
            continue
        if not word.startswith("--confirm="):
            kept.append(word)
    return shlex.join(["castle", *kept, "--confirm", castle])

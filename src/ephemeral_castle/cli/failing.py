"""Errors as the person or the script reads them, and the exit status that goes with each."""

from __future__ import annotations

import click

from ephemeral_castle.cli.exit_codes import BUG, INTERRUPTED, USAGE
from ephemeral_castle.errors import CastleError, UsageError


def exit_for(error: BaseException, *, as_json: bool) -> int:
    """Writes an error to standard error and gives the exit status.

    Args:
        error: what ended the command.
        as_json: whether the person asked for JSON.
    """
    if isinstance(error, CastleError):
        return _tell(error, as_json=as_json)
    if isinstance(error, click.Abort | KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    if isinstance(error, click.ClickException):
        return _tell(_from_click(error), as_json=as_json)
    return _bug(error, as_json=as_json)


def _tell(error: CastleError, *, as_json: bool) -> int:
    from ephemeral_castle.cli.screen import err_paint
    from ephemeral_castle.views.failure import error_json, error_text
    from ephemeral_castle.views.jsonl import dumps

    text = dumps(error_json(error.as_dict())) if as_json else error_text(error.as_dict(), err_paint())
    click.echo(text, err=True)
    return error.exit_code


def _from_click(error: click.ClickException) -> CastleError:
    """A wrong command line in our own form."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "castle"
    message = error.format_message().rstrip(".")
    told = UsageError(message[:1].lower() + message[1:], hints=(f"`{path} --help`",))
    told.exit_code = error.exit_code if error.exit_code != 1 else USAGE
    return told


def _bug(error: BaseException, *, as_json: bool) -> int:
    """An error that nobody foresaw: the traceback goes to a private file, its path to the person."""
    import os
    import tempfile
    import traceback

    from ephemeral_castle import __version__

    handle, path = tempfile.mkstemp(prefix="castle-bug-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"castle {__version__}\n")
        file.writelines(traceback.format_exception(error))
    told = CastleError(
        f"this is a bug in castle: {type(error).__name__}",
        why=str(error),
        state="a run that was started goes on in its own process",
        hints=(f"the traceback is in {path}; please report it with this file", "`castle runs` shows how runs stand"),
    )
    told.exit_code = BUG
    return _tell(told, as_json=as_json)

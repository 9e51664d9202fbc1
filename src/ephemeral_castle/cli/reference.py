"""Writes pages of `docs/reference` from the code: the commands, the exit codes, the rules, the failures.

`python -m ephemeral_castle.cli.reference [DIRECTORY]` writes all; a test compares them with what is committed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.exit_codes import as_markdown as exit_codes_page
from ephemeral_castle.cli.main import VERBS, castle
from ephemeral_castle.cli.rule_pages import failures_page, rules_page

_WIDTH = 100


def cli_page() -> str:
    """The page `docs/reference/cli.md`."""
    root = _context(castle, "castle", None)
    lines = [
        "# The command `castle`",
        "",
        (
            "Written from the commands by `python -m ephemeral_castle.cli.reference`. "
            "Exit codes are explained in [exit-codes.md](exit-codes.md)."
        ),
        "",
        (
            "Data goes to standard output, everything else to standard error. With `--json` every answer and "
            "every error is JSON; verbs that show a run give one event per line, the first line names the version, the "
            "last one is the report. No question is asked without a terminal. `NO_COLOR` is respected."
        ),
        "",
        "```text",
        _help(root),
        "```",
    ]
    for section, verbs in VERBS.items():
        lines += ["", f"## {section}"]
        for name, meaning in verbs.items():
            verb = castle.get_command(root, name)
            assert isinstance(verb, VerbCommand)  # noqa: S101 - a test calls this for every verb
            lines += ["", f"### castle {name}", "", f"{meaning[0].upper()}{meaning[1:]}.", "", "```text"]
            lines += [_help(_context(verb, name, root)), "```"]
    return "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """File name -> text."""
    return {
        "cli.md": cli_page(),
        "exit-codes.md": exit_codes_page(),
        "rules.md": rules_page(),
        "failures.md": failures_page(),
    }


def write(directory: Path) -> list[Path]:
    """Writes the pages; gives their paths."""
    written = []
    for name, text in pages().items():
        path = directory / name
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    """A context as a call would make it, on a terminal of 100 columns, without asking for any argument."""
    return command.make_context(
        name, [], parent=parent, resilient_parsing=True, terminal_width=_WIDTH, max_content_width=_WIDTH
    )


def _help(context: click.Context) -> str:
    """The help of a command, without trailing blanks."""
    return "\n".join(line.rstrip() for line in click.unstyle(context.command.get_help(context)).splitlines())


if __name__ == "__main__":
    for each in write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference")):
        click.echo(each)

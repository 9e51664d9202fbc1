"""A verb: a click command whose help always ends with examples and exit codes."""

from __future__ import annotations

from typing import Any

import click

from ephemeral_castle.cli.exit_codes import ALWAYS, MEANING


class VerbCommand(click.Command):
    """A click command with examples and exit codes.

    Args:
        examples: command lines with their meaning, three of them.
        exit_codes: statuses of this verb besides those that every verb has.
        kwargs: of `click.Command`.
    """

    def __init__(
        self, *args: Any, examples: tuple[tuple[str, str], ...] = (), exit_codes: tuple[int, ...] = (), **kwargs: Any
    ) -> None:
        kwargs.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.exit_codes = tuple(sorted({*ALWAYS, *exit_codes}))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the sections `Examples` and `Exit codes`."""
        with formatter.section("Examples"):
            for line, meaning in self.examples:
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
                formatter.write(f"{'':>{formatter.current_indent + 4}}{meaning}\n")
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), MEANING[code].meaning) for code in self.exit_codes])
        super().format_epilog(ctx, formatter)

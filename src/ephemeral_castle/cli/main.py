"""The command `castle` itself: which verbs there are, and how every error reaches the person.

`castle --help` must answer at once, so verbs are imported only when they are called, and this module imports
nothing but click. The one-liners stand here for the same reason.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ephemeral_castle import __version__
from ephemeral_castle.cli.failing import exit_for

if TYPE_CHECKING:
    from collections.abc import Sequence

VERBS: dict[str, dict[str, str]] = {
    "Begin": {
        "init": "write a small working definition, by asking or from flags",
        "adopt": "look at a living cluster, write its definition, tell what would not come back",
        "check": "find what is known to fail, in files and in the world, before anything is destroyed",
        "schemas": "list the schemas that `check` judges by, or pull and pin more",
        "explain": "tell what a rule of `check` finds, why it matters, and what to write instead",
        "doctor": "look at this computer, the treasury and the keys; name what mends each finding",
        "prefetch": "build images and programs ahead of time",
        "card": "print the page that one must carry to come back from nothing",
    },
    "Destroy and raise": {
        "plan": "show what a verb would do; changes nothing",
        "rebirth": "prove, seal, destroy, raise, restore, open and verify, in one run",
        "raise": "bring the castle up, from nothing or from what stands",
        "wipe": "prove and seal the treasures, then destroy what stands",
        "seal": "fence writers out and prove that the backup holds everything",
        "down": "remove the castle from this computer, with every trace of it",
    },
    "Live with it": {
        "status": "show machines, backups, proof, archiving and the data at risk now",
        "backup": "back the treasures up",
        "drill": "rehearse the return after a total loss, beside the living castle",
        "restore": "bring data back from the repository, in place or beside the living",
        "kubeconfig": "write the key of the castle's cluster into a file, for kubectl",
        "secret": "list, print, store or delete a secret of the castle",
    },
    "Runs": {
        "watch": "follow a run that goes on",
        "resume": "go on with a run that was broken off",
        "cancel": "stop a run: undone before the first deletion, at a safe place after it",
        "runs": "list the runs of this castle",
        "logs": "show every event of a run or of one step",
        "report": "show the report of a run",
    },
}

_MODULES = {"raise": "raise_"}  # a keyword cannot name a module


class LazyGroup(click.Group):
    """A group that knows its verbs by name and imports one only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Verbs in the order of the table."""
        return [name for section in VERBS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the verb's module."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command = import_module(f"ephemeral_castle.cli.verbs.{_MODULES.get(cmd_name, cmd_name)}").command
        assert isinstance(command, click.Command)  # noqa: S101 - a verb without a command is a bug found by any test
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Names the nearest verb when there is none of that name."""
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f", did you mean `castle {near[0]}`?" if near else ", see `castle --help`"
            raise click.UsageError(f"there is no verb `{args[0]}`{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(
        self,
        ctx: click.Context,
        formatter: click.HelpFormatter,
    ) -> None:
        """Writes the table of verbs without importing them."""
        for section, verbs in VERBS.items():
            with formatter.section(section):
                formatter.write_dl(list(verbs.items()))

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, *_: Any, **extra: Any) -> NoReturn:
        """Runs a command line; the one place where errors become text and exit status."""
        words = list(sys.argv[1:] if args is None else args)
        extra["standalone_mode"] = False
        extra["obj"] = words  # the question for confirmation repeats them with what was missing
        try:
            code = super().main(words, prog_name or "castle", **extra)
        except Exception as error:  # noqa: BLE001 - the outermost frame: whatever comes is told, then the process ends
            code = exit_for(error, as_json="--json" in words)
        sys.exit(code if isinstance(code, int) else 0)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Root is needed for machines. Everything about a verb: castle VERB --help.",
)
@click.version_option(__version__, prog_name="castle", message="%(prog)s %(version)s")
def castle() -> None:
    """Destroy a whole infrastructure and bring it back, and prove that nothing was lost."""


def main() -> NoReturn:
    """Entry point of the command."""
    castle.main()

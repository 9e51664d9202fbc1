"""Options that several verbs share, so that they are spelled and explained in one way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Common:
    """What every verb is told.

    Attributes:
        file: path of the definition.
        site: name of the site; None = the only (first) one.
        json: data on standard output as JSON.
        progress: how a run is shown: "plain", "jsonl" or "none".
    """

    file: str
    site: str | None = None
    json: bool = False
    progress: str = "plain"


def common(*, file: bool = True, site: bool = True, progress: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Adds the shared options and gives them to the verb as one `Common`.

    Args:
        file: whether the verb reads a definition.
        site: whether a site can be chosen.
        progress: whether the verb shows a run.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        @wraps(function)
        def called(**kwargs: Any) -> Any:
            as_json = kwargs.pop("json")
            shown = kwargs.pop("progress", None) or ("jsonl" if as_json else "plain")
            told = Common(kwargs.pop("file", "castle.yaml"), kwargs.pop("site", None), as_json, shown)
            return function(told, **kwargs)

        return _with_options(called, file=file, site=site, progress=progress)

    return decorate


def _with_options(function: Any, *, file: bool, site: bool, progress: bool) -> Any:
    if progress:
        kinds = click.Choice(["plain", "jsonl", "none"])
        text = "How a run is shown; with --json the default is jsonl, else plain."
        function = click.option("--progress", type=kinds, help=text)(function)
    function = click.option("--json", is_flag=True, help="Data on standard output as JSON, errors too.")(function)
    if site:
        text = "Where the castle stands or lands; the first site of the definition when not given."
        function = click.option("--site", metavar="NAME", help=text)(function)
    if file:
        function = click.option(
            "-f",
            "--file",
            metavar="FILE",
            default="castle.yaml",
            show_default=True,
            envvar="CASTLE_FILE",
            show_envvar=True,
            help="The definition.",
        )(function)
    return function


def prove_option(function: F) -> F:
    """Adds `--prove`."""
    text = "Prove a fresh backup, even where the last proof is younger than proof.max_age."
    return click.option("--prove", is_flag=True, help=text)(function)


def confirm_option(function: F) -> F:
    """Adds `--confirm NAME`."""
    text = "The castle's name, instead of typing it when asked."
    return click.option("--confirm", metavar="NAME", help=text)(function)


def set_option(function: F) -> F:
    """Adds `--set [LAYER=]LABEL`, which may be given for every treasure."""
    text = "Bring back this backup; LAYER says of which treasure, and may be left out where there is one. Repeatable."
    return click.option("--set", "set_label", metavar="[LAYER=]LABEL", multiple=True, help=text)(function)


def restore_options(function: F) -> F:
    """Adds what a restore is told: `--to TIME`, `--side`, `--layer NAME`."""
    text = "Restore this treasure only. Repeatable."
    function = click.option("--layer", "only", metavar="NAME", multiple=True, help=text)(function)
    text = "Bring a copy up beside the living database; changes nothing else."
    function = click.option("--side", is_flag=True, help=text)(function)
    text = "Point in time, ISO 8601 with offset; the newest without it."
    return click.option("--to", metavar="TIME", default="", help=text)(function)


def run_argument(function: F) -> F:
    """Adds the argument RUN: an id; the last run when not given."""
    return click.argument("run", required=False)(function)


def detach_option(function: F) -> F:
    """Adds `--detach`."""
    return click.option("--detach", is_flag=True, help="Start the run, print its id and leave.")(function)


def budget_option(function: F) -> F:
    """Adds `--enforce-budget`."""
    return click.option("--enforce-budget", is_flag=True, help="Exit 6 when a budget was exceeded.")(function)


def heal_option(function: F) -> F:
    """Adds `--heal`."""
    text = "Restart a controller of Flux that hangs, once, and go on."
    return click.option("--heal", is_flag=True, help=text)(function)


def life_options(function: F) -> F:
    """Adds the words that allow what is never done by itself. They hold for one run."""
    function = heal_option(function)
    switches = [
        ("--new", "There is nothing to bring home: begin with an empty castle."),
        ("--adopt", "Take over a database or repository that castle did not make."),
        ("--source-lost", "The old castle cannot be reached and is given up; its writer is revoked first."),
        ("--abandon-data", "Give up what was written since the last archived change; never a backup."),
        ("--cold", "Use no cached images."),
        ("--replan", "Leave an unfinished run's stored plan and make a new one."),
    ]
    function = set_option(function)
    text = "Accept a hole in the history behind this log sequence number."
    function = click.option("--accept-loss-after", metavar="LSN", default="", help=text)(function)
    for name, text in reversed(switches):
        function = click.option(name, is_flag=True, help=text)(function)
    return function

"""`castle check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.options import Common, common
from ephemeral_castle.cli.screen import out_paint, out_width
from ephemeral_castle.cli.wired import checking
from ephemeral_castle.errors import UsageError
from ephemeral_castle.model.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ephemeral_castle.model.checked import Checked
    from ephemeral_castle.model.finding import Finding

FORMATS = ("text", "json", "sarif", "junit", "github")
_LATEST = 46  # minor version: three come in a year, so ten above what castle knows is a slip and no cluster
_RULE = "An id, as `castle explain` lists them. Repeatable."


@click.command(
    "check",
    cls=VerbCommand,
    examples=(
        ("castle check", "the definition here, its manifests, and the systems that it stands on"),
        ("castle check --offline clusters/ --format sarif > castle.sarif", "a directory, without a castle, for CI"),
        ("castle check --fix --apply apps/db.yaml", "mends what needs no judgement"),
    ),
    exit_codes=(exit_codes.FAILED, exit_codes.UNCHECKED),
)
@click.argument("paths", nargs=-1, metavar="[PATH|-]...")
@click.option("--offline", is_flag=True, help="Read files only, ask no system.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="How it is told; text when not given.")
@click.option(
    "--fail-on",
    type=click.Choice([Severity.ERROR.value, Severity.WARNING.value, Severity.NOTE.value]),
    default=Severity.ERROR.value,
    show_default=True,
    help="Exit 3 for findings that are at least so bad.",
)
@click.option("--strict", is_flag=True, help="Exit 13 when something was not looked into.")
@click.option(
    "--kubernetes-version", "kubernetes", metavar="X.Y", help="What the manifests are for; that of the schemas."
)
@click.option("--rule", "only", metavar="ID", multiple=True, help=f"Look with this rule only. {_RULE}")
@click.option("--no-rule", "without", metavar="ID", multiple=True, help=f"Leave this rule out. {_RULE}")
@click.option("--baseline", metavar="FILE", default="", help="Leave out the findings that this file holds.")
@click.option("--write-baseline", metavar="FILE", default="", help="Write the findings into a baseline.")
@click.option("--reason", metavar="TEXT", default="", help="Why they are lived with; with --write-baseline.")
@click.option("--fix", is_flag=True, help="Print what needs no judgement to mend as a diff.")
@click.option("--apply", "apply_", is_flag=True, help="Write what --fix would print.")
@common()
def command(told: Common, *, form: str | None, fail_on: str, strict: bool, **flags: Any) -> int:
    """Find what is known to fail before anything is destroyed. Changes nothing without --apply.

    PATH is a directory of manifests, a file, or - for standard input; none of them needs a castle. Without PATH the
    definition here is looked at, the manifests of its repository, and, unless --offline, the systems that it stands on;
    where there is no definition, this directory.
    A comment `# castle:ignore RULE reason` leaves a finding out.
    """
    _agree(flags, form, as_json=told.json)
    asked = {
        **{key: flags[key] for key in ("paths", "offline", "only", "without", "baseline")},
        "file": told.file,
        "site": told.site,
        "kubernetes": _version(flags["kubernetes"]),
    }
    answer = checking().check(**asked)
    if flags["fix"]:
        written = _fix(answer, apply=flags["apply_"], as_json=told.json)
        if written:
            answer = checking().check(**asked)  # the exit code tells of what is left
            if not told.json:
                click.echo(_left(answer.checked), err=True)
    elif flags["write_baseline"]:
        return _write_baseline(answer, flags["write_baseline"], flags["reason"].strip(), as_json=told.json)
    else:
        click.echo(_shown(answer.checked, "json" if told.json else form or "text"), nl=False)
    if answer.checked.at_or_above(Severity(fail_on)):
        return exit_codes.FOUND
    return exit_codes.UNCHECKED if strict and answer.checked.undecided else exit_codes.OK


def _agree(flags: dict[str, Any], form: str | None, *, as_json: bool) -> None:
    """Refuses words that exclude one another."""
    if as_json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form} exclude one another")
    if flags["apply_"] and not flags["fix"]:
        raise UsageError("--apply belongs to --fix", hints=["castle check --fix, to see the change first"])
    if flags["fix"] and flags["write_baseline"]:
        raise UsageError("--fix and --write-baseline exclude one another")
    if flags["reason"] and not flags["write_baseline"]:
        raise UsageError("--reason belongs to --write-baseline")
    if flags["write_baseline"] and not flags["reason"].strip():
        raise UsageError(
            "a baseline needs a reason",
            why="whoever reads it next year has to know why these findings are lived with",
            hints=["castle check --write-baseline FILE --reason TEXT"],
        )


def _version(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = text.removeprefix("v").split(".")
    if len(parts) < 2 or not all(part.isdigit() for part in parts[:2]):
        raise UsageError(f"`{text}` is no version of Kubernetes", hints=["--kubernetes-version 1.36"])
    major, minor = int(parts[0]), int(parts[1])
    if major != 1 or minor > _LATEST:
        raise UsageError(
            f"there is no Kubernetes {major}.{minor}",
            why=f"castle takes versions from 1.0 to 1.{_LATEST}",
            hints=["kubectl version, which names that of the cluster"],
        )
    return major, minor


def _shown(checked: Checked, form: str) -> str:
    """The answer in one of its forms, with its last line break."""
    from ephemeral_castle.views.jsonl import dumps

    match form:
        case "json":
            from ephemeral_castle.views.findings.data import checked_json

            return dumps(checked_json(checked)) + "\n"
        case "sarif":
            from ephemeral_castle import __version__
            from ephemeral_castle.views.findings.sarif import checked_sarif

            return dumps(checked_sarif(checking().hosted(checked), __version__)) + "\n"
        case "junit":
            from ephemeral_castle.views.findings.junit import checked_junit

            return checked_junit(checked)
        case "github":
            from ephemeral_castle.views.findings.github import checked_github

            return checked_github(checking().hosted(checked))
        case _:
            from ephemeral_castle.views.findings.text import checked_text

            return checked_text(checked, out_paint(), out_width()) + "\n"


def _write_baseline(answer: Any, file: str, reason: str, *, as_json: bool) -> int:
    text = checking().baseline(answer, file, reason)
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the baseline `{file}` cannot be written", why=error.strerror or "") from None
    if as_json:
        from ephemeral_castle.views.jsonl import dumps

        counts = {each.value: number for each, number in _counted(answer.kept).items()}
        click.echo(dumps({"kind": "baseline", "file": file, "counts": counts}))
    else:
        click.echo(f"wrote {file}: {_numbers(answer.kept) or 'no finding'}", err=True)
    return exit_codes.OK


def _counted(findings: Iterable[Finding]) -> dict[Severity, int]:
    """How many there are of each severity, the worst first; what is undecided is no finding."""
    sure = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
    every = [each.severity for each in findings]
    return {each: every.count(each) for each in sure if each in every}


def _numbers(findings: Iterable[Finding]) -> str:
    from ephemeral_castle.views.words import count

    return ", ".join(count(number, each.value) for each, number in _counted(findings).items())


def _left(checked: Checked) -> str:
    numbers = _numbers(checked.findings)
    return f"left: {numbers}; `castle check` with the same paths shows it" if numbers else "left: nothing"


def _fix(answer: Any, *, apply: bool, as_json: bool) -> bool:
    """Prints the diff, or writes it and says so; whether files were written."""
    diff, files = checking().mend(answer, apply=apply)
    if as_json:
        from ephemeral_castle.views.jsonl import dumps

        click.echo(dumps({"kind": "fix", "diff": diff, "files": files, "written": apply and bool(files)}))
        return apply and bool(files)
    click.echo(diff, nl=False)
    told = f"wrote {', '.join(files)}" if apply and files else "" if files else "nothing here can be mended by castle"
    if told:
        click.echo(told, err=True)
    return apply and bool(files)

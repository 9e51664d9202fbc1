"""What `castle init` writes: a definition that works as it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import ValidationError

from ephemeral_castle.definition.models import TreasuryModel
from ephemeral_castle.definition.names import is_label, nearest_label
from ephemeral_castle.definition.nodes import resolve
from ephemeral_castle.errors import UsageError
from ephemeral_castle.model.excerpt import shown
from ephemeral_castle.spi.units import UnitError, parse_size

_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")  # needs no quotes in SQL; 63 bytes are PostgreSQL's NAMEDATALEN
_SMALLEST_MEMORY = 512 * 1024**2  # bytes; PostgreSQL's container and pgBackRest do not fit into less

_TEMPLATE = """\
# Castle `{name}`. `castle plan` shows every default; `castle rebirth` destroys it all and brings it back.
castle: {name}
budget: {{rto: 30s, rpo: 60s}}  # limits: time without service, age of lost data
treasury: {treasury}
layers:  # what stands, and in which order
  machines: {{role: ground}}
  database: {{role: treasures, needs: [machines]}}
  answers: {{role: proof, needs: [database]}}
sites:
  here:  # how it is made on this computer
    layers:
      machines:
        driver: podman
        machines:
          control: {{id: 421, memory: 512MiB}}
          data: {{id: 431, memory: {memory}}}
          edge: {{id: 432, memory: 512MiB}}
      database:
        driver: postgres
        machine: data
        pooler: edge
        databases: {{{database}: {{owner: {user}}}}}  # with `init: FILE.sql`: run once, at the first birth
        users: {{{user}: {{}}}}
      answers: {{driver: postgres-probe, database: database}}
"""


@dataclass(frozen=True)
class Answers:
    """What `castle init` asks.

    Attributes:
        name: name of the castle, a DNS label.
        bucket: `BUCKET` or `s3://BUCKET[/PREFIX]`; `castle-NAME` when empty.
        endpoint: https URL of an S3 server; empty when castle shall run one here.
        memory: memory of the machine that carries the database, a size.
        database: name of the first database.
        user: name of its owner, by which the application logs in.
    """

    name: str = "here"
    bucket: str = ""
    endpoint: str = ""
    memory: str = "2GiB"
    database: str = "app"
    user: str = "app"


def definition_text(answers: Answers) -> str:
    """The text of castle.yaml.

    Raises:
        UsageError: an answer cannot be used; the hint names the fix.
    """
    _check(answers)
    return _TEMPLATE.format(
        name=_written(answers.name),
        treasury=treasury_text(answers),
        memory=answers.memory,
        database=_written(answers.database),
        user=_written(answers.user),
    )


def treasury_text(answers: Answers) -> str:
    """The value of `treasury`. Raises UsageError: it cannot be used."""
    url = answers.bucket or f"castle-{answers.name}"[:63].rstrip("-")
    url = url if "://" in url else f"s3://{url}"
    server = f"endpoint: {answers.endpoint}" if answers.endpoint else "server: here"
    keys = {"url": url, "endpoint": answers.endpoint} if answers.endpoint else {"url": url, "server": "here"}
    try:
        TreasuryModel.model_validate(keys)
    except ValidationError as error:
        raise _refused("treasury", error) from None
    note = "" if answers.endpoint else "  # castle runs the S3 server; or `endpoint: https://...`"
    return f"{{url: {url}, {server}}}{note}"


def _refused(what: str, error: ValidationError) -> UsageError:
    context = error.errors()[0].get("ctx", {})
    hint = context.get("hint", "")
    return UsageError(f"{what}: {context.get('message', 'cannot be used')}", hints=(hint,) if hint else ())


def checked_name(answers: Answers) -> None:
    """Raises UsageError: no castle can be called so."""
    if not is_label(answers.name):
        near = nearest_label(answers.name)
        raise UsageError(
            f"`{shown(answers.name)}` cannot be the name of a castle",
            why="it must be a DNS label (RFC 1123): lower-case letters, digits and inner `-`, at most 63",
            hints=(f"try `{near}`",) if near else (),
        )


def _check(answers: Answers) -> None:
    checked_name(answers)
    for what, name in (("database", answers.database), ("user", answers.user)):
        if not _IDENTIFIER.fullmatch(name):
            raise UsageError(
                f"`{shown(name)}` cannot be the name of a {what}",
                why="it must be lower-case letters, digits and `_`, not beginning with a digit, at most 63",
            )
    try:
        memory = parse_size(answers.memory)
    except UnitError as error:
        raise UsageError(error.message, hints=(error.hint,)) from None
    if memory < _SMALLEST_MEMORY:
        raise UsageError(f"{answers.memory} of memory are too little for a database", hints=("give `512MiB` or more",))


def _written(name: str) -> str:
    """The name as a YAML scalar: quoted where it would be read as a number, true, false or null."""
    return name if isinstance(resolve(name), str) else f'"{name}"'

"""Drivers' options and definitions for these tests; they depend on no real driver."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from ephemeral_castle.definition.diagnostic import Diagnostic, Severity
from ephemeral_castle.definition.load import check_text
from ephemeral_castle.spi.options import LayerName, MachineName, Offers, Options, refusal
from ephemeral_castle.spi.units import Duration, Size


class MachineOptions(Options):
    """One machine."""

    id: int = Field(ge=1, description="number of the machine")
    memory: Size = Field(default=512 * 1024**2, description="memory limit")


class GroundOptions(Options):
    """Machines."""

    machines: Annotated[dict[str, MachineOptions], Offers("machine")]
    kind: Literal["small", "large"] = "small"
    extra: int | MachineOptions | None = None


class DatabaseOptions(Options):
    """One database."""

    owner: str
    init: str | None = None


class TreasureOptions(Options):
    """A database server."""

    machine: MachineName
    pooler: MachineName | None = None
    standbys: tuple[MachineName, ...] = ()
    databases: dict[str, DatabaseOptions] = Field(min_length=1)
    users: dict[str, dict[str, str]] = Field(default={})
    password: str | None = None
    timeout: Duration = Field(default=60.0, description="longest restore")
    checked: bool = True

    @model_validator(mode="after")
    def _owners_are_users(self) -> Self:
        for name, database in self.databases.items():
            if database.owner not in self.users:
                raise refusal(f"database `{name}` belongs to `{database.owner}`, who is no user", "add the user")
        return self


class ProbeOptions(Options):
    """A probe."""

    database: LayerName
    every: Duration = 5.0


MODELS: Mapping[str, type[BaseModel]] = {
    "podman": GroundOptions,
    "postgres": TreasureOptions,
    "postgres-probe": ProbeOptions,
}

GOOD = """\
castle: here
budget: {rto: 30s, rpo: 60s}
proof: {max_age: 24h}
treasury: {url: s3://castle-here, server: here}
layers:
  machines: {role: ground}
  database: {role: treasures, needs: [machines]}
  answers: {role: proof, needs: [database]}
sites:
  here:
    layers:
      machines:
        driver: podman
        machines:
          data: {id: 431, memory: 2GiB}
          edge: {id: 432}
      database:
        driver: postgres
        machine: data
        pooler: edge
        databases: {app: {owner: app}}
        users: {app: {}}
      answers: {driver: postgres-probe, database: database}
"""


def check(text: str | bytes) -> list[Diagnostic]:
    """All findings, with the sample drivers."""
    return check_text(text, "castle.yaml", options_of=MODELS.get, driver_names=list(MODELS))


def changed(old: str, new: str) -> str:
    """The good definition with one change."""
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


def errors(text: str | bytes) -> list[Diagnostic]:
    """Only the errors."""
    return [finding for finding in check(text) if finding.severity is Severity.ERROR]


def only(text: str | bytes) -> Diagnostic:
    """The one and only error."""
    found = errors(text)
    assert len(found) == 1, "\n".join(finding.render() for finding in found)
    return found[0]


def under_caret(finding: Diagnostic) -> str:
    """The characters of the source line that the carets mark."""
    excerpt, carets = finding.render().splitlines()[1:3]
    start = carets.index("^")
    return excerpt[start : carets.rindex("^") + 1]

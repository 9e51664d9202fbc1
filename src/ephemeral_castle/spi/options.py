"""What a driver's options are made of: a strict base model, and fields that name other things of the castle.

A driver writes

    class PostgresOptions(Options):
        machine: MachineName = Field(description="machine that carries the data")
        timeout: Duration = Field(default=60.0, description="longest restore")

and `machine: dta` is refused with "did you mean `data`?" before anything runs.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

from ephemeral_castle.spi.names import split_server

if TYPE_CHECKING:
    from collections.abc import Mapping

M = TypeVar("M", bound=BaseModel)


class Options(BaseModel):
    """Base of options: no coercion, no unknown keys, no changes afterwards, no values in error texts."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True, validate_default=False
    )


@dataclass(frozen=True)
class Refers:
    """Marks a text field that names something else.

    `kind`: "layer", "machine" (both must exist), "secret" (of castle's vault) or "object" (of a cluster).
    """

    kind: str


@dataclass(frozen=True)
class Offers:
    """Marks a mapping field whose keys are names that others may refer to. `kind`: "machine"."""

    kind: str


LayerName = Annotated[str, Refers("layer")]
"""Id of another layer of the castle."""

MachineName = Annotated[str, Refers("machine")]
"""Name of a machine of a ground layer on the same site."""


_SECRET_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,127}")
_TOKEN = re.compile(r"gh[a-z]_|github_pat_|glpat-|AGE-SECRET-KEY-|(AKIA|ASIA)[A-Z0-9]{16}|xox[a-z]-")


def _secret_name(text: str) -> str:
    """The name, without the `secret:` that may stand before it. The value itself is never repeated in an error."""
    name = text.removeprefix("secret:")
    if not _SECRET_NAME.fullmatch(name) or _TOKEN.match(name):
        raise refusal("must be the name of a secret", "write `secret:NAME` and store the value under that name")
    return name


SecretName = Annotated[str, AfterValidator(_secret_name), Refers("secret")]
"""Name of a secret, as `secret:NAME` or `NAME`."""


def read_options(model: type[M], written: Mapping[str, Any]) -> M:
    """Validates options as they stand in the file.

    Always strictly, whatever the model says (`"431"` is no number), and by the rules of JSON: a file knows lists and
    texts, but no tuples and enums.

    Raises:
        pydantic.ValidationError: with all errors.
    """
    return model.model_validate_json(json.dumps(dict(written)), strict=True)


def refusal(message: str, hint: str = "") -> PydanticCustomError:
    """Makes the error by which a validator refuses a value in its own words.

    Args:
        message: one line, lower case, no full stop; without the value when that may be a secret.
        hint: the fix.
    """
    return PydanticCustomError("refused", "{message}", {"message": message, "hint": hint})


def _inside(path: str) -> str:
    """A path that stays in the repository, without a slash at its end."""
    parts = path.strip("/").split("/") if path.strip("/.") else []
    if path.startswith("/") or ".." in parts:
        raise refusal("a path in the repository is relative to its root", "write it like `data` or `stacks/data`")
    return "/".join(part for part in parts if part not in ("", "."))


RepositoryPath = Annotated[str, AfterValidator(_inside)]
"""Relative to the root of the castle's repository."""


def _server(text: str) -> str:
    try:
        split_server(text)
    except ValueError:
        raise refusal("a server is HOST or HOST:PORT", "such as 192.168.1.53 or ns1.example.org:5353") from None
    return text


NameServer = Annotated[str, AfterValidator(_server)]
"""A name server as people write it: HOST or HOST:PORT."""

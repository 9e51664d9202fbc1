"""Options of the driver `external-secrets`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from ephemeral_castle.spi.options import Options, Refers, SecretName, refusal
from ephemeral_castle.spi.units import Duration

_NAME = r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"
_SPACE = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_OBJECT = re.compile(rf"{_SPACE}/{_NAME}")
_STORE = re.compile(rf"({_SPACE}/)?{_NAME}")


def _object(text: str) -> str:
    if _OBJECT.fullmatch(text):
        return text
    raise refusal("an object is named NAMESPACE/NAME", "such as `data/db-s3`")


def _store(text: str) -> str:
    if _STORE.fullmatch(text):
        return text
    raise refusal("a store is named NAME, or NAMESPACE/NAME where it is no ClusterSecretStore", "such as `vault`")


def _unique(wanted: list[SecretOptions]) -> list[SecretOptions]:
    names = [f"{each.namespace}/{each.name}" for each in wanted]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise refusal(f"`{twice[0]}` stands there twice", "keep one of them")
    return wanted


Key = Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]{1,253}$")]


class SecretOptions(Options):
    """An ExternalSecret that must be there."""

    namespace: Annotated[str, Field(pattern=f"^{_SPACE}$", description="its namespace")]
    name: Annotated[str, Field(pattern=f"^{_NAME}$", description="its name")]
    keys: list[Key] = Field(
        default=[], description="keys that its Secret must have; those that it names itself when not given"
    )
    equals: dict[Key, SecretName] = Field(
        default={},
        description="key -> castle's own secret that it must equal, as `database/user/app`: what castle sets in a "
        "database and what the store holds must not drift apart",
    )


class CipherOptions(Options):
    """Where the pass of a treasure's backups arrives in the cluster."""

    secret: Annotated[str, AfterValidator(_object), Refers("object")] = Field(
        description="the Secret that is made, as NAMESPACE/NAME", examples=["data/db-s3"]
    )
    key: Key = Field(
        description="its key: a file of pgBackRest when it ends in `.conf`, else the pass itself", examples=["s3.conf"]
    )
    repository: int = Field(default=1, ge=1, le=4, description="number of the repository in that file")
    equals: SecretName = Field(
        description="castle's own secret that it must equal, as `database/cipher`: the pass that opened the backup "
        "when it was proven"
    )


class ExternalSecretsOptions(Options):
    """Secrets from a store outside the castle, brought into the cluster by the External Secrets Operator."""

    store: Annotated[str, AfterValidator(_store)] = Field(
        description="the ClusterSecretStore, or NAMESPACE/NAME of a SecretStore"
    )
    secrets: Annotated[list[SecretOptions], AfterValidator(_unique)] = Field(
        default=[], description="ExternalSecrets that others wait for; all that are there when not given"
    )
    cipher: CipherOptions | None = Field(
        default=None, description="the pass that must be the one with which the backup was proven"
    )
    wait: Duration = Field(default=300.0, description="longest wait for the store, and for all of its secrets")

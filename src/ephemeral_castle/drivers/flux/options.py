"""Options of the driver `flux`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from ephemeral_castle.spi.options import MachineName, Options, RepositoryPath, SecretName, refusal
from ephemeral_castle.spi.units import Duration

_NAME = r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"
_SPACE = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_OBJECT = re.compile(rf"{_SPACE}/{_NAME}")
_URL = re.compile(r"(https?|ssh)://[^\s?#]+")


def _object(text: str) -> str:
    if _OBJECT.fullmatch(text):
        return text
    raise refusal("an object is named NAMESPACE/NAME", "such as `flux-system/git`")


def _url(text: str) -> str:
    if not _URL.fullmatch(text):
        raise refusal(
            "Flux reads `https://`, `ssh://` and `http://` alone", "such as `ssh://git@git.example.org/castle`"
        )
    if re.match(r"\w+://[^/@]*:[^/@]*@", text):
        raise refusal("an address must not carry a password", "name it under `secrets`")
    return text


ObjectName = Annotated[str, AfterValidator(_object)]
"""NAMESPACE/NAME of an object of the cluster."""


class DoorOptions(Options):
    """A port of a machine, where something that Flux raised answers."""

    machine: MachineName = Field(description="machine of this site")
    port: int = Field(ge=1, le=65535, description="port there")


class FluxOptions(Options):
    """The castle's Git repository, applied to the cluster by Flux."""

    path: RepositoryPath = Field(
        min_length=1, description="directory in the repository that the root Kustomization applies, as `clusters/lab`"
    )
    components: RepositoryPath | None = Field(
        default=None,
        description="directory in the repository with the CRDs and controllers, as `flux bootstrap` writes it; "
        "`flux-system` below `path` when not given",
    )
    namespace: Annotated[str, Field(pattern=f"^{_SPACE}$")] = Field(
        default="flux-system", description="namespace of Flux"
    )
    name: Annotated[str, Field(pattern=f"^{_SPACE}$")] = Field(
        default="flux-system", description="name of the GitRepository and of the root Kustomization"
    )
    repository_url: Annotated[str, AfterValidator(_url)] | None = Field(
        default=None,
        description="the repository as the cluster reaches it, when that is not the definition's `url`; a name of the "
        "site's `reach` may stand for the host",
    )
    ref: str = Field(default="", description="branch, tag or commit; empty for that of the castle's repository")
    secrets: dict[ObjectName, dict[Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]{1,253}$")], SecretName]] = Field(
        default={},
        description="first Secrets, there before Flux: NAMESPACE/NAME -> key -> secret. Key or token of the repository "
        "need not be named here",
    )
    treasury_ca: list[ObjectName] = Field(
        default=[], description="Secrets that get the treasury's CA certificate, as `ca.crt`"
    )
    doors: dict[Annotated[str, Field(pattern=f"^{_SPACE}$")], DoorOptions] = Field(
        default={},
        description="what people reach from this computer's loopback, where machines stand on it: name -> port of a "
        "machine; `castle status` says where",
    )
    interval: Duration = Field(default=60.0, description="how often Flux looks for a new commit")
    prune: bool = Field(default=True, description="whether Flux removes what the repository has no more")
    concurrent: int = Field(
        default=20, ge=1, le=200, description="least number of units that the controllers work on at once"
    )
    suspend: bool = Field(
        default=True, description="whether Flux rests from the cut on, so that it undoes neither fence nor seal"
    )
    accept_loss: list[ObjectName] = Field(
        default=[],
        description="claims of volumes, NAMESPACE/NAME, that may end with castle's own machines; any other that no "
        "layer keeps forbids a rebirth and a wipe",
    )
    wait: Duration = Field(default=900.0, description="longest wait for all units to be ready")

    @property
    def parts(self) -> str:
        """The directory of CRDs and controllers."""
        return f"{self.path}/flux-system" if self.components is None else self.components

    @property
    def carries_itself(self) -> bool:
        """Whether the root Kustomization applies Flux itself, too, as after `flux bootstrap`."""
        return f"{self.parts}/".startswith(f"{self.path}/")

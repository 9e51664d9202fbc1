"""Options of the driver `cert-manager`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ephemeral_castle.spi.options import LayerName, Options, Refers, refusal
from ephemeral_castle.spi.units import Duration

_NAME = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
Name = Annotated[str, Field(pattern=_NAME)]
Space = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]


class IssuerOptions(Options):
    """Who signs it, as `issuerRef` of the Certificate says."""

    name: Name = Field(description="its name")
    kind: Literal["Issuer", "ClusterIssuer"] = Field(default="ClusterIssuer", description="its kind")
    group: str = Field(default="cert-manager.io", description="its group")


class CarriedOptions(Options):
    """A Certificate of the repository whose key and chain castle carries from life to life."""

    namespace: Space = Field(description="its namespace")
    name: Name = Field(description="name of the Certificate")
    secret: Annotated[Name, Refers("object")] = Field(description="its `secretName`")
    layer: LayerName = Field(description="layer of driver `certificates` that carries it")
    issuer: IssuerOptions = Field(description="its `issuerRef`")


def _unique(found: list[CarriedOptions]) -> list[CarriedOptions]:
    names = [f"{each.namespace}/{each.secret}" for each in found]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise refusal(f"Secret `{twice[0]}` stands there twice", "one Certificate makes one Secret")
    return found


class CertManagerOptions(Options):
    """Certificates of cert-manager that are there, and Ready, before people come."""

    carried: Annotated[list[CarriedOptions], AfterValidator(_unique)] = Field(
        min_length=1, description="Certificates that get the key and chain that castle carries"
    )
    wait: Duration = Field(default=300.0, description="longest wait for cert-manager to call them Ready")

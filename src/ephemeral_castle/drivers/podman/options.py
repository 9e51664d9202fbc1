"""Options of the driver `podman`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ephemeral_castle.spi.options import Offers
from ephemeral_castle.spi.units import Size


class MachineOptions(BaseModel):
    """One machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: int = Field(ge=1, le=65535, description="number of the machine; kept from life to life")
    memory: Size = Field(default=536870912, description="memory limit of the machine")


class PodmanOptions(BaseModel):
    """Machines on this computer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    machines: Annotated[dict[str, MachineOptions], Offers("machine")] = Field(
        min_length=1, description="machines by name"
    )
    transport: Literal["podman", "ssh"] = Field(
        default="podman", description="how castle enters the machines: `podman exec`, or SSH to a real sshd"
    )
    reserve: Size = Field(default=268435456, description="memory that must stay free for the computer itself")

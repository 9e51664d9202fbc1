"""Options of the driver `podman`."""

from __future__ import annotations

import posixpath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ephemeral_castle.spi.options import Offers, refusal
from ephemeral_castle.spi.units import Size

TAKEN = ("/run", "/tmp", "/proc", "/sys", "/dev", "/var/lib/containers", "/opt/images")  # noqa: S108 - in a machine


def _place(path: str) -> str:
    if not path.startswith("/") or posixpath.normpath(path) != path or path == "/":
        raise refusal("is no absolute path on the machine", "write it like `/opt/programs`")
    if any(path == taken or path.startswith(f"{taken}/") for taken in TAKEN):
        raise refusal("belongs to the machine itself", "write another one, like `/opt/programs`")
    return path


def _directory(path: str) -> str:
    if not path or ":" in path:
        raise refusal("is no directory that can be mounted", "a path of this computer, without a colon")
    return path


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
    image: Literal["containers", "kubernetes"] = Field(
        default="containers", description="what machines carry: podman, or containerd with what a kubelet needs"
    )
    mounts: dict[Annotated[str, AfterValidator(_place)], Annotated[str, AfterValidator(_directory)]] = Field(
        default={},
        description="directories of this computer (relative to the definition) that machines see, read-only, by path "
        "on the machine",
        examples=[{"/opt/kubernetes": "/var/cache/ephemeral-castle/kubernetes/kit"}],
    )
    reserve: Size = Field(default=268435456, description="memory that must stay free for the computer itself")

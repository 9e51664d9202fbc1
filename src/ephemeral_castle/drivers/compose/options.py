"""Options of the driver `compose`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ephemeral_castle.spi.options import MachineName, Options, RepositoryPath, SecretName
from ephemeral_castle.spi.units import Duration

FILE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"
LOSS = r"^([/~][^\s:]*|[A-Za-z0-9][A-Za-z0-9_.-]*)$"
IMAGE_NAME = r"^[a-z0-9][a-z0-9._/:-]{0,254}$"


class ImageOptions(Options):
    """An image that castle builds from Debian packages."""

    packages: list[str] = Field(min_length=1, description="Debian packages, all installed together")
    files: dict[str, RepositoryPath] = Field(
        default={}, description="path in the image -> text file in the repository; executable when it begins with #!"
    )
    commands: list[str] = Field(default=[], description="shell lines run in the image after the packages")


class ComposeOptions(Options):
    """Compose projects of the castle's repository, each on its machine, run there by podman-compose."""

    projects: dict[MachineName, RepositoryPath] = Field(
        min_length=1, description="machine -> directory in the repository that holds its compose.yaml"
    )
    secrets: dict[Annotated[str, Field(pattern=FILE_NAME)], SecretName] = Field(
        default={},
        description="file in ./secrets of each project -> secret; one named LAYER/... is generated when it is missing",
    )
    images: dict[Annotated[str, Field(pattern=IMAGE_NAME)], ImageOptions] = Field(
        default={}, description="image as the Compose files name it -> how castle builds it; all others are pulled"
    )
    still: Literal["volumes", "all"] = Field(
        default="volumes", description="what stops at the cut: services that may write a named volume, or all"
    )
    accept_environment: list[Annotated[str, Field(pattern=r"^[^.\s]+\.[A-Za-z0-9_]+$")]] = Field(
        default=[], description="SERVICE.VARIABLE that may carry a secret in the environment, for all to see"
    )
    accept_loss: list[Annotated[str, Field(pattern=LOSS)]] = Field(
        default=[], description="named volumes (PROJECT_VOLUME) and paths of the machine that may end with the life"
    )
    ref: str = Field(default="", description="branch, tag or commit; empty for that of the castle's repository")
    grace: Duration = Field(default=10.0, description="time that a service gets to end before it is killed")
    timeout: Duration = Field(default=300.0, description="longest wait for all services of a machine to be well")

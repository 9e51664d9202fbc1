"""Options of the driver `restic`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ephemeral_castle.spi.options import MachineName
from ephemeral_castle.spi.units import Duration

VOLUME = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$"


class KeepOptions(BaseModel):
    """Snapshots that `castle backup --expire` leaves: the newest ones, and the newest of each day, week and month."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    last: int = Field(default=10, ge=1, description="newest snapshots that stay, whatever their age")
    daily: int = Field(default=14, ge=0, description="days of which the newest snapshot stays")
    weekly: int = Field(default=8, ge=0, description="weeks of which the newest snapshot stays")
    monthly: int = Field(default=12, ge=0, description="months of which the newest snapshot stays")

    def arguments(self) -> list[str]:
        """The policy for `restic forget`."""
        kept = {"last": self.last, "daily": self.daily, "weekly": self.weekly, "monthly": self.monthly}
        return [part for name, count in kept.items() if count for part in (f"--keep-{name}", str(count))]


class ResticOptions(BaseModel):
    """The files of one podman volume, in a restic repository in the treasury."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    machine: MachineName = Field(description="machine that carries the volume")
    volume: str = Field(pattern=VOLUME, description="podman volume with the files: PROJECT_VOLUME as Compose names it")
    rpo: Duration | None = Field(
        default=None,
        description="age of the newest snapshot that may be lost in a disaster; without it that of `budget`",
        examples=["25h"],
    )
    keep: KeepOptions = Field(default=KeepOptions(), description="snapshots that `castle backup --expire` leaves")
    read_data: int = Field(
        default=5, ge=0, le=100, description="percent of the whole repository that a proof reads and checks besides"
    )

    def limit(self, castle: float | None) -> float | None:
        """Seconds of files that may be lost, when `castle` is what the castle's budget says."""
        return castle if self.rpo is None else self.rpo

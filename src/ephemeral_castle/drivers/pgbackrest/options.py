"""Options of the driver `pgbackrest`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ephemeral_castle.spi.options import Options
from ephemeral_castle.spi.units import Duration, Size

_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_NAME = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"


class PgbackrestOptions(Options):
    """A database that an operator runs, and its pgBackRest repository: `castle drill` restores it beside the living."""

    namespace: Annotated[str, Field(pattern=_LABEL)] = Field(description="namespace of the PostgresCluster")
    cluster: Annotated[str, Field(pattern=_NAME)] = Field(description="name of the PostgresCluster")
    repository: int | None = Field(
        default=None, ge=1, le=4, description="number of the repository to restore from; the first that is no volume "
        "when not given",
    )  # fmt: skip
    storage_class: Annotated[str, Field(pattern=_NAME)] | None = Field(
        default=None, description="storage class of the drill's volume; that of the living database when not given, "
        "and a folder of a node where that has none",
    )  # fmt: skip
    size: Size | None = Field(
        default=None, description="size of the drill's volume; that of the living database when not given"
    )
    preload: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_./-]+$")], ...] = Field(
        default=(), description="libraries that the drill's server loads (`shared_preload_libraries`). None by itself: "
        "what runs jobs, as pg_cron does, would run them in the copy, too", examples=[["timescaledb"]],
    )  # fmt: skip
    wait: Duration = Field(default=7200.0, description="longest time for the restore, and for reading it")

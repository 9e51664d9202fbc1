"""Options of the driver `postgres`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ephemeral_castle.spi.options import MachineName
from ephemeral_castle.spi.units import Duration, Size

NAME = r"^[a-z_][a-z0-9_-]{0,62}$"


class DatabaseOptions(BaseModel):
    """One database."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    owner: str = Field(pattern=NAME, description="user that owns the database")
    init: str = Field(default="", description="SQL file run once, at the first birth, as the owner")


class UserOptions(BaseModel):
    """One user. Its password is the secret `LAYER/user/NAME`, generated at the first raise."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PostgresOptions(BaseModel):
    """PostgreSQL 15 with pgBackRest, and PgBouncer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    machine: MachineName = Field(description="machine that carries the database")
    pooler: MachineName = Field(description="machine that carries PgBouncer")
    databases: dict[str, DatabaseOptions] = Field(min_length=1, description="databases by name")
    users: dict[str, UserOptions] = Field(min_length=1, description="login users by name")
    port: int = Field(default=5432, ge=1, le=65535, description="port of PostgreSQL on its machine")
    pooler_port: int = Field(default=6432, ge=1, le=65535, description="port of PgBouncer on its machine")
    pool_mode: Literal["transaction", "session"] = Field(default="transaction", description="PgBouncer's pool mode")
    shared_buffers: Size = Field(default=268435456, description="PostgreSQL's shared_buffers")
    max_wal_size: Size = Field(default=4294967296, description="PostgreSQL's max_wal_size")
    archive_timeout: Duration = Field(default=30.0, description="longest age of a segment before it is archived")
    heartbeat: Duration = Field(default=10.0, description="interval of the heartbeat row; bounds an unplanned loss")
    retention_full: int = Field(default=4, ge=1, description="full backups that the keeper leaves")
    full_every: Duration = Field(default=604800.0, description="age of the newest full backup at which another is made")
    process_max: int = Field(default=2, ge=1, le=64, description="pgBackRest's process-max")
    fence_timeout: Duration = Field(default=15.0, description="longest wait for clients to leave at the fence")

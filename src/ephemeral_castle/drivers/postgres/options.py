"""Options of the driver `postgres`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from ephemeral_castle.spi.options import MachineName, Refers, refusal
from ephemeral_castle.spi.units import Duration, Size

NAME = r"^[a-z_][a-z0-9_-]{0,62}$"
MACHINES = ("machine", "pooler")
CLUSTER = ("node", "storage_class", "size", "repo2_size", "expose", "registry")
# Names of Kubernetes: a label and a subdomain of DNS (RFC 1123).
KubernetesLabel = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
KubernetesName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]


class DatabaseOptions(BaseModel):
    """One database."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    owner: str = Field(pattern=NAME, description="user that owns the database")
    init: str = Field(default="", description="SQL file run once, at the first birth, as the owner")


class UserOptions(BaseModel):
    """One user. Its password is the secret `LAYER/user/NAME`, generated at the first raise."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerOptions(BaseModel):
    """What a database is, wherever it is at home."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    databases: dict[str, DatabaseOptions] = Field(min_length=1, description="databases by name")
    users: dict[str, UserOptions] = Field(min_length=1, description="login users by name")
    port: int = Field(default=5432, ge=1, le=65535, description="port of PostgreSQL")
    pooler_port: int = Field(default=6432, ge=1, le=65535, description="port of PgBouncer")
    pool_mode: Literal["transaction", "session"] = Field(default="transaction", description="PgBouncer's pool mode")
    shared_buffers: Size = Field(default=268435456, description="PostgreSQL's shared_buffers")
    max_wal_size: Size = Field(default=4294967296, description="PostgreSQL's max_wal_size")
    archive_timeout: Duration = Field(default=30.0, description="longest age of a segment before it is archived")
    retention_full: int = Field(default=4, ge=1, description="full backups that the keeper leaves")
    full_every: Duration = Field(default=604800.0, description="age of the newest full backup at which another is made")
    process_max: int = Field(default=2, ge=1, le=64, description="pgBackRest's process-max")
    heartbeat: Duration = Field(default=10.0, description="interval of the heartbeat row; bounds an unplanned loss")
    fence_timeout: Duration = Field(default=15.0, description="longest wait for clients to leave at the fence")


class PostgresOptions(ServerOptions):
    """PostgreSQL 15 with pgBackRest, and PgBouncer; on machines (`machine`, `pooler`) or Kubernetes (`namespace`)."""

    machine: MachineName | None = Field(default=None, description="machine that carries the database")
    pooler: MachineName | None = Field(default=None, description="machine that carries PgBouncer")
    namespace: KubernetesLabel | None = Field(
        default=None, description="Kubernetes: namespace of all that belongs to it; made where it is missing"
    )
    node: Annotated[KubernetesName, Refers("machine")] | None = Field(
        default=None, description="Kubernetes: node on whose disk its volumes lie, which castle makes"
    )
    storage_class: KubernetesName | None = Field(
        default=None, description="Kubernetes: storage class of its volumes, in place of `node`"
    )
    size: Size = Field(default=10737418240, description="Kubernetes: size of the volume with the data")
    repo2_size: Size = Field(default=10737418240, description="Kubernetes: size of the volume of the local repository")
    expose: Literal["nodeport", "loadbalancer", "clusterip"] = Field(
        default="nodeport",
        description="Kubernetes: kind of PgBouncer's Service; castle's own probes do not reach a `clusterip`",
    )
    registry: str = Field(
        default="registry",
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$",
        description="Kubernetes: registry from which nodes pull castle's image: a name of `reach`, or HOST[:PORT]",
    )

    @model_validator(mode="after")
    def _one_home(self) -> Self:
        """Refuses half of a home, two of them, and none."""
        machines = [name for name in MACHINES if getattr(self, name) is not None]
        cluster = [name for name in CLUSTER if name in self.model_fields_set]
        if self.namespace is None and cluster:
            raise refusal(f"`{cluster[0]}` belongs to a database on Kubernetes", "add `namespace`, or remove it")
        if self.namespace is not None and machines:
            raise refusal(
                f"`namespace` and `{machines[0]}` exclude each other",
                "a database is at home on Kubernetes or on machines: keep one of them",
            )
        if self.namespace is None and len(machines) < len(MACHINES):
            missing = " and ".join(f"`{name}`" for name in MACHINES if name not in machines)
            raise refusal(
                f"a database needs a home: {missing} is missing" if machines else "a database needs a home",
                "name its machines (`machine` and `pooler`), or, on Kubernetes, its `namespace`",
            )
        if self.namespace is not None and (self.node is None) == (self.storage_class is None):
            raise refusal(
                "a database on Kubernetes needs one kind of volume",
                "name the `node` on whose disk it lies, or the `storage_class` that makes its volumes",
            )
        return self

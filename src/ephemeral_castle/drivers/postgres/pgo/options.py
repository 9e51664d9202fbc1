"""Options of the driver `pgo`."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from ephemeral_castle.drivers.postgres.options import KubernetesLabel, KubernetesName, ServerOptions
from ephemeral_castle.spi.options import Refers, refusal
from ephemeral_castle.spi.units import Size

USER = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
LONGEST = 37  # characters of a cluster's name: the operator puts more behind it, and a label takes 63
FOLDER = re.compile(r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$")
MAP = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")


def _map(text: str) -> str:
    if MAP.fullmatch(text):
        return text
    raise refusal("a ConfigMap is named NAMESPACE/NAME", "such as `flux-system/castle-life`")


def _folder(text: str) -> str:
    if not text or FOLDER.fullmatch(text):
        return text
    raise refusal("a folder below the treasury's is named without `/` around it", "such as `repo1` or `backups/db`")


class PgoOptions(ServerOptions):
    """PostgreSQL 17 that CrunchyData's operator (PGO) runs in a Kubernetes cluster, with pgBackRest and PgBouncer."""

    namespace: KubernetesLabel = Field(description="namespace of the PostgresCluster; made where it is missing")
    cluster: KubernetesLabel | None = Field(
        default=None, description="name of the PostgresCluster; the layer's when not given"
    )
    by: Literal["castle", "git"] = Field(
        default="castle",
        description="who applies the PostgresCluster: castle, from these options; or a tree in Git, which reads "
        "the ConfigMap `life`",
    )
    life: Annotated[str, AfterValidator(_map)] = Field(
        default="flux-system/castle-life",
        description="`by: git`: ConfigMap that castle writes once it has decided; the tree takes `dataSource` from it",
    )
    secret: Annotated[KubernetesName, Refers("object")] | None = Field(
        default=None,
        description="Secret with the key `s3.conf` that somebody else makes (an ExternalSecret); castle makes it when "
        "not given",
    )
    repository: Annotated[str, AfterValidator(_folder)] = Field(
        default="",
        description="folder of the repository below the treasury's, where a PostgresCluster that is taken over has it; "
        "`pgbackrest/LAYER` when not given",
    )
    size: Size = Field(default=10737418240, description="size of the volume with the data")
    storage_class: KubernetesName | None = Field(
        default=None, description="storage class of that volume; the cluster's default when not given"
    )
    expose: Literal["nodeport", "loadbalancer", "clusterip"] = Field(
        default="nodeport",
        description="kind of PgBouncer's Service; castle's own probes do not reach a `clusterip`",
    )

    @model_validator(mode="after")
    def _for_the_operator(self) -> Self:
        """Refuses what the operator would refuse, or do otherwise, when the database is wanted already."""
        for name in self.users:
            if not USER.fullmatch(name) or name == "postgres":
                raise refusal(
                    f"the operator makes no user `{name}`",
                    "users are named by small letters, digits and `-`, and `postgres` is the operator's own",
                )
        for name, database in self.databases.items():
            if database.owner not in self.users:
                raise refusal(
                    f"database `{name}` is owned by `{database.owner}`, which is no user",
                    f"add `{database.owner}: {{}}` to `users`",
                )
        if self.cluster is not None and len(self.cluster) > LONGEST:
            raise refusal(f"`{self.cluster}` is too long", f"a PostgresCluster's name has {LONGEST} characters at most")
        if self.by == "castle" and "life" in self.model_fields_set:
            raise refusal("`life` is for a tree in Git", "add `by: git`, or remove `life`")
        return self

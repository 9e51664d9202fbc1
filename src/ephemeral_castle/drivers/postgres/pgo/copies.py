"""The PostgresCluster of a copy beside the living one: of its own name, with volumes of its own, archiving into one.

An operator's server always archives. This one's only repository is a volume that goes with it: the living database's
it reads once, for the restore, by an account that may only read where the treasury has accounts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.postgres.pgo.birth import Birth, Repository, data_source
from ephemeral_castle.drivers.postgres.pgo.manifests import LEASE, PERIOD
from ephemeral_castle.drivers.postgres.pgo.place import PgoPlace
from ephemeral_castle.drivers.postgres.pgo.vocabulary import API, KIND, REPO
from ephemeral_castle.drivers.postgres.shape import PART
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.kubernetes import Manifest

SIDE = "side"
LONGEST = 32  # characters that it takes of the living one's name, which has 37 at most
TAKEN = ("postgresVersion", "image", "imagePullPolicy", "imagePullSecrets", "openshift", "port")
# Libraries may run jobs, and a subscription would pull from its publisher beside the living one.
NEVER = ("shared_preload_libraries", "archive_timeout")
QUIET = {"max_logical_replication_workers": "0"}


class SidePlace(PgoPlace):
    """Where the copy stands; see `place.Place`."""

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx, old=True)
        self.name = f"{self.name[:LONGEST]}-{SIDE}"

    def marks(self) -> dict[str, str]:
        """The living one's, and that it is a copy."""
        return {**super().marks(), PART: SIDE}


def manifest(living: Manifest, place: SidePlace, labels: Mapping[str, str], repo: Repository, birth: Birth) -> Manifest:
    """The copy's PostgresCluster: version, image and volume as the living one has them; no users, no PgBouncer."""
    spec = living["spec"]
    instance = {**spec["instances"][0], "replicas": 1}
    claim = {key: value for key, value in instance["dataVolumeClaimSpec"].items() if key != "volumeName"}
    given = (spec.get("config") or {}).get("parameters") or {}
    backrest = (spec.get("backups") or {}).get("pgbackrest") or {}
    backups: dict[str, Any] = {"repos": [{"name": REPO, "volume": {"volumeClaimSpec": claim}}]}
    body = {
        **{key: spec[key] for key in TAKEN if key in spec},
        "metadata": {"labels": dict(labels)},
        "instances": [{**instance, "dataVolumeClaimSpec": claim}],
        "patroni": {"syncPeriodSeconds": PERIOD, "leaderLeaseDurationSeconds": LEASE},
        "users": [],  # without this word the operator makes one, and a database for him
        "config": {"parameters": {**{key: given[key] for key in given if key not in NEVER}, **QUIET}},
        "backups": {"pgbackrest": {**{key: backrest[key] for key in ("image",) if key in backrest}, **backups}},
        "dataSource": data_source(birth, repo),
    }
    meta = {"name": place.name, "namespace": place.namespace, "labels": dict(labels)}
    return {"apiVersion": API, "kind": KIND, "metadata": meta, "spec": body}

"""What objects of the operator say of a database. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.postgres import pods
from ephemeral_castle.drivers.postgres.pgo.vocabulary import DATABASE, LEADER, RESTORING, ROLE
from ephemeral_castle.drivers.postgres.place import ABSENT, RUNNING
from ephemeral_castle.spi.kubernetes import Manifest

LEFT = "without its PostgresCluster"  # a volume is there, and nobody who runs it
RESTORES = "being restored"


def state_of(
    cluster: Manifest | None, sets: Sequence[Manifest], found: Sequence[Manifest], claims: Sequence[Manifest]
) -> str:
    """One word for people and for `Place.state`.

    Args:
        cluster: the PostgresCluster, None when there is none.
        sets: its StatefulSets.
        found: its pods.
        claims: of its data.
    """
    if leader(found) is not None:
        return RUNNING
    if cluster is None:
        return LEFT if claims else ABSENT
    if "deletionTimestamp" in cluster["metadata"]:
        return pods.STOPPING
    if sets and not any(pods.wanted(each) for each in sets):
        return pods.STOPPING if found else pods.STOPPED
    if condition(cluster, "PGBackRestoreProgressing").get("status") == "True":
        return RESTORES
    return pods.STARTING


def leader(found: Sequence[Manifest]) -> Manifest | None:
    """The pod whose server takes rows, while it runs."""
    for pod in found:
        labels = pod["metadata"].get("labels") or {}
        if labels.get(ROLE) == LEADER and not pods.deleted(pod) and pods.serves(pod, DATABASE):
            return pod
    return None


def condition(cluster: Manifest | None, kind: str) -> Mapping[str, Any]:
    """A condition; empty when there is none."""
    found = (cluster or {}).get("status", {}).get("conditions", ())
    return next((each for each in found if each["type"] == kind), {})


def identifier(cluster: Manifest | None) -> str:
    """The system identifier that its members agreed upon; "" before."""
    return str((cluster or {}).get("status", {}).get("patroni", {}).get("systemIdentifier", ""))


def stanza(cluster: Manifest | None) -> bool:
    """Whether its first repository knows it."""
    repos = (cluster or {}).get("status", {}).get("pgbackrest", {}).get("repos") or [{}]
    return bool(repos[0].get("stanzaCreated"))


def pooled(cluster: Manifest | None) -> bool:
    """Whether PgBouncer is to stand before it; of what is not there it is taken for granted."""
    return cluster is None or "pgBouncer" in (cluster["spec"].get("proxy") or {})


def repositories(cluster: Manifest | None) -> list[Mapping[str, Any]]:
    """The entries of its `repos`."""
    backups = (cluster or {}).get("spec", {}).get("backups") or {}
    return list((backups.get("pgbackrest") or {}).get("repos") or ())


def on_volumes(cluster: Manifest | None) -> list[str]:
    """Names of its repositories that lie on volumes of its own."""
    return [str(each["name"]) for each in repositories(cluster) if each.get("volume")]


def failed_restore(found: Sequence[Manifest]) -> Manifest | None:
    """The newest pod of a restore that failed, unless one works beside it."""
    if any(pods.serves(pod, RESTORING) for pod in found):
        return None
    failed = [pod for pod in found if pod.get("status", {}).get("phase") == "Failed"]
    return max(failed, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), default=None)


def exit_code(pod: Manifest) -> int:
    """How a restore's container ended; 0 when that is not known."""
    return int((pods.ended(pod, RESTORING) or {}).get("exitCode", 0))


def busy(jobs: Sequence[Manifest]) -> list[str]:
    """Jobs that are not done."""
    return [str(job["metadata"]["name"]) for job in jobs if not _done(job)]


def _done(job: Manifest) -> bool:
    conditions = job.get("status", {}).get("conditions", ())
    return any(each["type"] in ("Complete", "Failed") and each["status"] == "True" for each in conditions)

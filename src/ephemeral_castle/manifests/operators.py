"""When the objects of operators are ready, by what each of them says and what it only seems to say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from ephemeral_castle.manifests.readiness import (
    Manifest,
    Readiness,
    Stage,
    behind,
    by_condition,
    condition,
    count,
    failed,
    generation,
    holds,
    meta,
    ready,
    spec,
    status,
    told,
    unseen,
    waiting,
)

REQUESTED = "reconcile.fluxcd.io/requestedAt"
UNRECOVERABLE = "unrecoverable"


def flux(manifest: Manifest) -> Readiness:
    """Any object of Flux: Ready for this generation, and after the reconciliation that was asked for."""
    if spec(manifest).get("suspend"):
        return waiting("it is suspended: what it says is of before")
    stalled = condition(manifest, "Stalled")
    if stalled.get("status") == "True" and not behind(manifest, stalled):
        return failed(told(stalled))
    asked = (meta(manifest).get("annotations") or {}).get(REQUESTED)
    found = condition(manifest, "Ready")
    if asked and status(manifest).get("lastHandledReconcileAt") != asked:
        return waiting(
            "the reconciliation that was asked for has not been done" + (f"; {told(found)}" if found else "")
        )
    if holds(manifest, "Reconciling"):
        return waiting(told(found) if found.get("status") == "False" else told(condition(manifest, "Reconciling")))
    seen = by_condition(manifest, "Ready")
    # The status' own generation stays behind on failures, so it decides only beside Ready=True.
    return waiting(behind(manifest)) if seen.stage is Stage.READY and behind(manifest) else seen


def source(manifest: Manifest, revision: str = "") -> Readiness:
    """GitRepository and its like: an artifact is stored, of the wanted revision where one is given."""
    if spec(manifest).get("type") == "oci" and manifest.get("kind") == "HelmRepository":
        return ready("its kind says nothing of registries")
    seen = flux(manifest)
    if seen.stage is not Stage.READY:
        return seen
    if holds(manifest, "FetchFailed"):
        return waiting(told(condition(manifest, "FetchFailed")))
    stored = str((status(manifest).get("artifact") or {}).get("revision") or "")
    if not stored:
        return waiting("nothing is stored of it")
    return ready(stored) if is_revision(stored, revision) else waiting(f"it holds {stored}, and {revision} is wanted")


def kustomization(manifest: Manifest, revision: str = "") -> Readiness:
    """Applied and healthy, at the wanted revision where one is given."""
    seen = flux(manifest)
    if seen.stage is not Stage.READY:
        return seen
    applied = str(status(manifest).get("lastAppliedRevision") or "")
    attempted = str(status(manifest).get("lastAttemptedRevision") or applied)
    if not applied or attempted != applied:
        return waiting(f"it tries {attempted or 'nothing yet'}" + (f", and {applied} is applied" if applied else ""))
    if not is_revision(applied, revision):
        return waiting(f"{applied} is applied, and {revision} is wanted")
    return ready(applied)


def is_revision(found: str, wanted: str) -> bool:
    """Whether `main@sha1:…` is the wanted one: written whole, or as its commit. Anything fits where none is wanted."""
    return not wanted or found == wanted or found.rpartition(":")[2] == wanted


def certificate(manifest: Manifest) -> Readiness:
    """Its Secret holds a certificate for what is wanted now. A renewal that goes on does not disturb it."""
    seen = by_condition(manifest, "Ready")
    attempts = count(status(manifest).get("failedIssuanceAttempts"))
    if seen.stage is Stage.READY or not attempts or holds(manifest, "Issuing"):
        return seen
    issuing = condition(manifest, "Issuing")
    # The pause after a failure is an hour and doubles: no run waits for that.
    return failed(
        f"{attempts} failed, the next try comes in an hour or later; {told(issuing or condition(manifest, 'Ready'))}"
    )


def request(manifest: Manifest) -> Readiness:
    """CertificateRequest: a failed one is never tried again."""
    found = condition(manifest, "Ready")
    if found.get("status") == "False" and found.get("reason") in ("Failed", "Denied"):
        return failed(told(found))
    return by_condition(manifest, "Ready")


def acme(manifest: Manifest) -> Readiness:
    """Order and Challenge."""
    state, why = str(status(manifest).get("state") or "new"), str(status(manifest).get("reason") or "")
    if state == "valid":
        return ready(state)
    return (failed if state in ("invalid", "expired", "errored") else waiting)(": ".join(filter(None, (state, why))))


def external_secret(manifest: Manifest, after: str = "") -> Readiness:
    """Synced for this generation.

    Args:
        manifest: the ExternalSecret.
        after: its `status.syncedResourceVersion` before it was nudged: only a newer one counts.
    """
    found, synced = condition(manifest, "Ready"), str(status(manifest).get("syncedResourceVersion") or "")
    if not found:
        return waiting("nothing was synced yet")
    # True also means that the Secret it should have been merged into is missing, or was deleted on purpose.
    if found.get("status") != "True" or found.get("reason") in ("SecretMissing", "SecretDeleted"):
        return waiting(told(found))
    if generation(manifest) and synced.partition("-")[0] != str(generation(manifest)):
        return waiting(f"synced is {synced or 'nothing'}, and generation {generation(manifest)} is wanted")
    return waiting("it has not synced since it was asked") if after and synced == after else ready(told(found))


def store(manifest: Manifest) -> Readiness:
    """SecretStore and ClusterSecretStore: its provider was really asked."""
    found = condition(manifest, "Ready")
    if found.get("status") == "True" and found.get("reason") == "ValidationUnknown":
        return waiting(told(found))
    return by_condition(manifest, "Ready")


def postgres_cluster(manifest: Manifest, system: str = "", *, backup: bool = False) -> Readiness:
    """A PostgresCluster of PGO, which has no condition Ready.

    Args:
        manifest: the object.
        system: the system identifier that its database must have; "" for any.
        backup: whether the backup that follows every birth must be there.
    """
    wanted, found = spec(manifest), status(manifest)
    for each in ("paused", "shutdown"):
        if wanted.get(each):
            return waiting(f"spec.{each} is set")
    restore = _restoring(manifest)
    if restore is not None:
        return restore
    if unseen(manifest):
        return waiting(unseen(manifest))
    rows = {each.get("name"): each for each in found.get("instances") or ()}
    for index, each in enumerate(wanted.get("instances") or ()):
        name, replicas = each.get("name") or f"{index:02d}", each.get("replicas")
        short = _short(f"instances {name}", rows.get(name), 1 if replicas is None else replicas)
        if short:
            return waiting(short)
    identifier = str((found.get("patroni") or {}).get("systemIdentifier") or "")
    if not identifier:
        return waiting("no instance leads yet")
    if system and identifier != system:
        return failed(f"it serves the database {identifier}, and {system} is wanted")
    return _beside(manifest, backup=backup)


def _restoring(manifest: Manifest) -> Readiness | None:
    done = condition(manifest, "PostgresDataInitialized")
    if done.get("status") == "False" and done.get("reason") == "PGBackRestRestoreFailed":
        return failed(told(done))
    restore = (status(manifest).get("pgbackrest") or {}).get("restore") or {}
    if holds(manifest, "PGBackRestoreProgressing"):
        lost = count(restore.get("failed"))
        again = f"; its Job failed {lost} times, the cause is in the warnings of its pod" if lost else ""
        return waiting(told(condition(manifest, "PGBackRestoreProgressing")) + again)
    return None


def _beside(manifest: Manifest, *, backup: bool) -> Readiness:
    """What stands beside the instances."""
    bouncer = (spec(manifest).get("proxy") or {}).get("pgBouncer")
    if bouncer is not None:
        row = (status(manifest).get("proxy") or {}).get("pgBouncer")
        short = _short("PgBouncer", row, 1 if bouncer.get("replicas") is None else bouncer["replicas"])
        if short:
            return waiting(short)
    if backup and not holds(manifest, "PGBackRestReplicaCreate"):
        found = condition(manifest, "PGBackRestReplicaCreate")
        return waiting(told(found) if found else "the backup that follows a birth is not there yet")
    return ready("the operator says so; only a login shows that it serves")


def _short(name: str, row: Mapping[str, object] | None, wanted: int) -> str:
    there = count((row or {}).get("readyReplicas"))
    return f"{name}: {there} of {wanted} are ready" if there < wanted else ""


def cnpg_cluster(manifest: Manifest) -> Readiness:
    """A Cluster of CloudNativePG: healthy, all instances ready, and archiving where it has an archive."""
    found = status(manifest)
    phase = str(found.get("phase") or "new")
    if UNRECOVERABLE in phase:
        return failed(f"{phase}: {found.get('phaseReason') or ''}".removesuffix(": "))
    if not holds(manifest, "Ready"):
        return waiting(": ".join(filter(None, (phase, str(found.get("phaseReason") or "")))))
    wanted, there = count(spec(manifest).get("instances")), count(found.get("readyInstances"))
    if there < wanted:
        return waiting(f"{there} of {wanted} instances are ready")
    archives = spec(manifest).get("backup") or any(
        each.get("isWALArchiver") for each in spec(manifest).get("plugins") or ()
    )
    if archives and not holds(manifest, "ContinuousArchiving"):
        archiving = condition(manifest, "ContinuousArchiving")
        return waiting(told(archiving) if archiving else "nothing was archived yet")
    return ready(phase)


def longhorn_volume(manifest: Manifest) -> Readiness:
    """Its data is here. A restoring volume is Bound, and refuses to be attached."""
    wanted, found = spec(manifest), status(manifest)
    restore = condition(manifest, "Restore")
    if found.get("robustness") == "faulted" or restore.get("reason") == "RestoreFailure":
        return failed(told(restore) if restore else "it is faulted")
    if not found.get("state"):
        return waiting("its controller has not seen it yet")
    if found.get("restoreRequired") or (wanted.get("fromBackup") and not found.get("restoreInitiated")):
        return waiting("its data is being restored" + (f"; {told(restore)}" if restore else ""))
    unscheduled = condition(manifest, "Scheduled")
    if unscheduled.get("status") == "False":
        return waiting(told(unscheduled))
    # A detached volume has no robustness; a degraded one has its data, and fewer copies than wanted.
    settled = found["state"] in ("attached", "detached")
    return (
        ready(f"{found['state']}, {found.get('robustness') or 'unknown'}")
        if settled
        else waiting(f"it is {found['state']}")
    )


def backup_target(manifest: Manifest) -> Readiness:
    """A BackupTarget of Longhorn: its backups were listed, after they were asked for."""
    found = status(manifest)
    if not found.get("available"):
        return waiting(
            told(condition(manifest, "Unavailable")) if condition(manifest, "Unavailable") else "not available"
        )
    listed, asked = _moment(found.get("lastSyncedAt")), _moment(spec(manifest).get("syncRequestedAt"))
    return ready("its backups are listed") if listed and listed >= asked else waiting("its backups are not listed yet")


def longhorn_backup(manifest: Manifest) -> Readiness:
    """A Backup of Longhorn."""
    state, error = str(status(manifest).get("state") or "new"), str(status(manifest).get("error") or "")
    if state == "Completed":
        return ready(state)
    return failed(f"{state}: {error}") if state == "Error" else waiting(state)


def address_pool(manifest: Manifest) -> Readiness:
    """An IPAddressPool of MetalLB, which only counts: before it did, nobody has read it."""
    found = status(manifest)
    if not found:
        return waiting("MetalLB has not counted its addresses yet")
    total = sum(count(value) for value in found.values())
    return ready(f"{total} addresses") if total else waiting("it has no addresses")


def _moment(text: object) -> float:
    try:
        return datetime.fromisoformat(str(text)).timestamp() if text else 0.0
    except ValueError:
        return 0.0


FLUX = "toolkit.fluxcd.io"
KINDS: Mapping[tuple[str, str], Callable[[Manifest], Readiness]] = {
    **dict.fromkeys(
        [
            (f"source.{FLUX}", kind)
            for kind in ("GitRepository", "OCIRepository", "Bucket", "HelmRepository", "HelmChart")
        ],
        partial(source),
    ),
    (f"kustomize.{FLUX}", "Kustomization"): partial(kustomization),
    (f"helm.{FLUX}", "HelmRelease"): flux,
    (f"notification.{FLUX}", "Receiver"): flux,
    ("cert-manager.io", "Certificate"): certificate,
    ("cert-manager.io", "CertificateRequest"): request,
    ("acme.cert-manager.io", "Order"): acme,
    ("acme.cert-manager.io", "Challenge"): acme,
    ("external-secrets.io", "ExternalSecret"): partial(external_secret),
    ("external-secrets.io", "SecretStore"): store,
    ("external-secrets.io", "ClusterSecretStore"): store,
    ("postgres-operator.crunchydata.com", "PostgresCluster"): partial(postgres_cluster),
    ("postgresql.cnpg.io", "Cluster"): cnpg_cluster,
    ("longhorn.io", "Volume"): longhorn_volume,
    ("longhorn.io", "BackupTarget"): backup_target,
    ("longhorn.io", "Backup"): longhorn_backup,
    ("metallb.io", "IPAddressPool"): address_pool,
}

# Kinds that say nothing of themselves: whether their controller follows them, only what they make shows.
MUTE: Mapping[str, tuple[str, ...]] = {
    "traefik.io": (
        "IngressRoute",
        "IngressRouteTCP",
        "IngressRouteUDP",
        "Middleware",
        "MiddlewareTCP",
        "ServersTransport",
        "ServersTransportTCP",
        "TLSOption",
        "TLSStore",
        "TraefikService",
    ),
    "metallb.io": ("L2Advertisement", "BGPAdvertisement", "BGPPeer", "BFDProfile", "Community"),
    "barmancloud.cnpg.io": ("ObjectStore",),
    "postgresql.cnpg.io": ("ImageCatalog", "ClusterImageCatalog", "ScheduledBackup"),
    f"notification.{FLUX}": ("Alert", "Provider"),
    "longhorn.io": ("Setting", "RecurringJob"),
}

"""Several pods on one volume that only one node can have."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.contents import same
from ephemeral_castle.manifests.rules.fields import WARNING, dig, each, fault, listed, text
from ephemeral_castle.manifests.rules.pods import pods
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "rwo-replicas"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at Deployments of more than one replica."""
    claims = list(repository.of("PersistentVolumeClaim", ""))
    for found in pods(repository):
        replicas = dig(found.thing.manifest, "spec", "replicas")
        if found.thing.kind not in ("Deployment", "ReplicaSet") or not isinstance(replicas, int) or replicas < 2:
            continue
        for path, volume in each(found.thing.manifest, *found.at("volumes")):
            name = text(dig(volume, "persistentVolumeClaim", "claimName"))
            for claim in claims:
                if claim.name != name or not same(claim.namespace, found.thing.namespace):
                    continue
                modes = {str(mode) for mode in listed(dig(claim.manifest, "spec", "accessModes"))}
                if modes and modes <= {"ReadWriteOnce", "ReadWriteOncePod"}:
                    message = f"{replicas} replicas share `{name}`, which only one node can have ({claim.mark})"
                    says = f'Multi-Attach error for volume "{name}" Volume is already used by pod(s)'
                    hints = (
                        "use a StatefulSet with a claim for each, or a volume that is ReadWriteMany, or one replica",
                    )
                    at = (*path, "persistentVolumeClaim", "claimName")
                    yield fault(ID, WARNING, found.thing, at, message, hints=hints, says=says)


RULE = Rule(
    ID,
    "several replicas mount one ReadWriteOnce volume",
    "Such a volume is attached to one node. Replicas on other nodes wait for it for ever; on one node they write "
    "the same files. That it worked was luck of the scheduler.",
    "Kubernetes' documentation of access modes",
    find,
    ("F184",),
)

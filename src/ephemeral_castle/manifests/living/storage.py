"""Storage of a cluster: classes, claims and who keeps them, and what lies on nodes alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ephemeral_castle.manifests.living.finding import (
    SYSTEM,
    Fate,
    Finding,
    Objects,
    labels,
    name,
    named,
    notes,
    owners,
    some,
)
from ephemeral_castle.manifests.living.secrets import PGO
from ephemeral_castle.manifests.readiness import Manifest

SECTION = "storage"
DEFAULT = "storageclass.kubernetes.io/is-default-class"
LOGS = ("/var/log", "/var/lib/docker", "/var/lib/containerd", "/run", "/var/run", "/proc", "/sys", "/dev", "/etc")


def findings(objects: Objects) -> Iterator[Finding]:
    """Classes, claims that nobody keeps, folders of nodes, folders that end with their pod."""
    yield from _classes(objects.get("StorageClass", ()), objects.get("PersistentVolumeClaim", ()))
    yield from _claims(objects)
    yield from _on_nodes(objects)


def _classes(classes: Sequence[Manifest], claims: Sequence[Manifest]) -> Iterator[Finding]:
    defaults = [each["metadata"]["name"] for each in classes if notes(each).get(DEFAULT) == "true"]
    for each in classes:
        keeps = each.get("reclaimPolicy", "Delete")
        first = ", the default" if each["metadata"]["name"] in defaults else ""
        fact = f"{each.get('provisioner')}, volumes are {'kept' if keeps == 'Retain' else 'deleted'}{first}"
        yield Finding(SECTION, named(each), fact, Fate.LOOK, "a new cluster must offer a class of this name")
    unnamed = [name(each) for each in claims if each["spec"].get("storageClassName") is None]
    if len(defaults) != 1 and unnamed:
        fact = f"{len(defaults)} default classes, and claims without a class: {some(unnamed)}"
        yield Finding(SECTION, "StorageClasses", fact, Fate.LOOK, "mark just one class as the default")


def _claims(objects: Objects) -> Iterator[Finding]:
    kept = {
        each["metadata"]["name"]: each["metadata"]["namespace"]
        for each in objects.get("PostgresCluster", ())
        if any({"s3", "gcs", "azure"} & set(repo) for repo in _repos(each))
    }
    for each in objects.get("PersistentVolumeClaim", ()):
        space = each["metadata"]["namespace"]
        if "castle.id" in labels(each) or kept.get(labels(each).get(PGO, "")) == space:
            continue
        size = each["spec"].get("resources", {}).get("requests", {}).get("storage", "?")
        fact = f"{size} of class {each['spec'].get('storageClassName') or '(default)'}{_mounted(each, objects)}"
        text = "nobody that castle knows keeps its content: it is gone with the cluster"
        yield Finding(SECTION, named(each), fact, Fate.LOST, text)


def _on_nodes(objects: Objects) -> Iterator[Finding]:
    """By what makes the pods, so that ten pods of one controller are one line."""
    folders: dict[str, set[str]] = {}
    brief: dict[str, set[str]] = {}
    for pod in objects.get("Pod", ()):
        if pod["metadata"]["namespace"] in SYSTEM:
            continue
        for volume in pod["spec"].get("volumes") or ():
            path = (volume.get("hostPath") or {}).get("path")
            if path and not any(path == each or path.startswith(f"{each}/") for each in LOGS):
                folders.setdefault(_maker(pod, objects), set()).add(path)
            if "emptyDir" in volume and (volume["emptyDir"] or {}).get("medium") != "Memory":
                brief.setdefault(_maker(pod, objects), set()).add(volume["name"])
    for what, paths in sorted(folders.items()):
        fact = f"folders of a node: {some(sorted(paths))}"
        yield Finding(SECTION, what, fact, Fate.LOST, "it is gone with the node; nothing backs it up")
    if brief:
        fact = f"in {some(sorted(brief))}"
        text = "empty after every restart of a pod already: nothing that matters may lie there"
        yield Finding(SECTION, "emptyDir volumes", fact, Fate.LOST, text)


def _mounted(claim: Manifest, objects: Objects) -> str:
    wanted, space = claim["metadata"]["name"], claim["metadata"]["namespace"]
    users = [
        _maker(pod, objects)
        for pod in objects.get("Pod", ())
        if pod["metadata"]["namespace"] == space
        and any((each.get("persistentVolumeClaim") or {}).get("claimName") == wanted
                for each in pod["spec"].get("volumes") or ())
    ]  # fmt: skip
    return f", used by {some(sorted(set(users)))}" if users else ", used by no pod"


def _maker(pod: Manifest, objects: Objects) -> str:
    """The controller that a person knows: of a ReplicaSet's pod, its Deployment."""
    made = next(iter(owners(pod)), None)
    if made is None:
        return named(pod)
    kind, own, space = str(made["kind"]), str(made["name"]), pod["metadata"]["namespace"]
    if kind == "ReplicaSet":
        deployments = {each["metadata"]["name"] for each in objects.get("Deployment", ())
                       if each["metadata"]["namespace"] == space}  # fmt: skip
        trunk = own.rpartition("-")[0]
        kind, own = ("Deployment", trunk) if trunk in deployments else (kind, own)
    return f"{kind} {space}/{own}"


def _repos(cluster: Manifest) -> list[Mapping[str, Any]]:
    return list(((cluster["spec"].get("backups") or {}).get("pgbackrest") or {}).get("repos") or ())

"""Rollouts on the host's network that cannot take a step."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.fields import NOTE, WARNING, Path, dig, each, fault, mapping, text
from ephemeral_castle.manifests.rules.pods import Pods, pods
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "host-network-rollout"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at Deployments and DaemonSets with ports of the host."""
    for found in pods(repository):
        if found.thing.kind not in ("Deployment", "DaemonSet") or not _claims(found):
            continue
        field = "strategy" if found.thing.kind == "Deployment" else "updateStrategy"
        chosen = mapping(dig(found.thing.manifest, "spec", field))
        if text(chosen.get("type")) in ("Recreate", "OnDelete") or _unavailable(found, chosen) > 0:
            continue
        if _has_room(found, setting):
            continue
        at: Path = ("spec", field) if chosen else found.at("hostNetwork") if "hostNetwork" in found.spec else ("spec",)
        message = "a new pod needs the port that the old one holds, and none may be unavailable: a rollout never moves"
        hints = (f"set `{field}: {{rollingUpdate: {{maxSurge: 0, maxUnavailable: 1}}}}`",)
        says = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."
        severity = WARNING if setting.nodes is not None or chosen or _is_bound(found) else NOTE
        yield fault(ID, severity, found.thing, at, message, hints=hints, says=says)


def _claims(found: Pods) -> bool:
    """Whether its pods take ports of their node."""
    ports = [port for path, _ in found.containers() for _, port in each(found.thing.manifest, *path, "ports")]
    if found.spec.get("hostNetwork") is True:
        return bool(ports)
    return any(port.get("hostPort") for port in ports)


def _is_bound(found: Pods) -> bool:
    """Whether its pods are for certain nodes."""
    return found.thing.kind == "DaemonSet" or "nodeSelector" in found.spec or "nodeName" in found.spec


def _has_room(found: Pods, setting: Setting) -> bool:
    """Whether there is a node that has no pod of it yet."""
    replicas = dig(found.thing.manifest, "spec", "replicas")
    count = replicas if isinstance(replicas, int) else 1
    return setting.nodes is not None and count < setting.nodes and not _is_bound(found)


def _unavailable(found: Pods, chosen: object) -> int:
    """How many pods a rollout may stop ahead."""
    said = dig(chosen, "rollingUpdate", "maxUnavailable")
    if said is None:
        said = "25%" if found.thing.kind == "Deployment" else 1
    replicas = dig(found.thing.manifest, "spec", "replicas")
    count = replicas if isinstance(replicas, int) else 1
    if isinstance(said, str) and said.endswith("%"):
        return math.floor(count * float(said[:-1]) / 100) if found.thing.kind == "Deployment" else 1
    return int(said) if isinstance(said, int) else 1


RULE = Rule(
    ID,
    "a rollout of pods with ports of the host cannot take a step",
    "Two pods cannot have one port of one node. A rollout that starts the new pod before it stops the old one "
    "waits for ever where every node that takes it is in use; a Deployment of up to three replicas does so by "
    "default. `maxUnavailable: 1` with `maxSurge: 0` stops first.",
    "Kubernetes' documentation of rolling updates; a rebirth that was green and refused connections",
    find,
    ("F100",),
)

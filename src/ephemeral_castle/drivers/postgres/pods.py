"""What objects of Kubernetes say of a database, and what is waited for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.postgres.place import ABSENT, RUNNING
from ephemeral_castle.drivers.postgres.shape import ORDER, SERVER
from ephemeral_castle.spi.kubernetes import Manifest, Readiness, Stage

KILLED = (137, 143, 255)  # exit status by SIGKILL, by SIGTERM, and what the kubelet tells when it does not know
STOPPED, STARTING, STOPPING, HELD = "stopped", "starting", "stopping", "stopped on order"
AT_REST = (ABSENT, STOPPED, HELD)
STOPS = "castle.stops"  # annotation of a pod whose server castle ends: the run
# Reasons by which a container waits that do not pass by themselves soon; all others are a start on its way.
STUCK = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)


def state_of(controller: Manifest | None, pods: Sequence[Manifest]) -> str:
    """One word for people and for `Place.state`.

    Args:
        controller: the StatefulSet or Deployment, None when there is none.
        pods: its pods.
    """
    standing = [pod for pod in pods if not deleted(pod)]
    if any(busy(pod) for pod in standing):
        return RUNNING
    if not pods:
        return ABSENT if controller is None else STARTING if wanted(controller) else STOPPED
    reasons = [reason for pod in standing if (reason := stuck(pod))]
    return reasons[0] if reasons else STARTING if standing else STOPPING


def wanted(controller: Manifest) -> bool:
    """Whether its pods are to be."""
    return int(controller["spec"].get("replicas", 1)) > 0


def deleted(pod: Manifest) -> bool:
    """Whether its end was asked for: no container of it is started again."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def may_be_held(pod: Manifest | None) -> bool:
    """Whether castle has begun to end its server, and its container runs: it may only wait for its own end."""
    return STOPS in ((pod or {}).get("metadata", {}).get("annotations") or {}) and serves(pod)


def busy(pod: Manifest) -> bool:
    """Whether any container of it runs, or will in a moment: its order is being done or is done, or it serves."""
    if any("running" in each.get("state", {}) for each in containers(pod)):
        return True
    order = ended(pod, ORDER)
    return order is not None and order.get("exitCode") == 0 and ended(pod, SERVER) is None and not stuck(pod)


def serves(pod: Manifest | None, name: str = SERVER) -> bool:
    """Whether a container of that name runs in it."""
    found = [each for each in containers(pod or {}) if each["name"] == name]
    return any("running" in each.get("state", {}) for each in found)


def stuck(pod: Manifest) -> str:
    """Why it does not come up by itself; "" while it may."""
    reasons = [each.get("state", {}).get("waiting", {}).get("reason", "") for each in containers(pod)]
    found = next((reason for reason in reasons if reason in STUCK), "")
    return found or ("Failed" if pod.get("status", {}).get("phase") == "Failed" else "")


def containers(pod: Manifest) -> list[Mapping[str, Any]]:
    """The states of all its containers, those of the beginning first."""
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]


def ended(pod: Manifest | None, name: str) -> Mapping[str, Any] | None:
    """How a container of that name ended last: `exitCode`, `reason`, `message`; None when it did not."""
    for each in containers(pod or {}):
        if each["name"] == name:
            end: Mapping[str, Any] | None = each.get("state", {}).get("terminated")
            return end or each.get("lastState", {}).get("terminated")
    return None


def failed_order(pod: Manifest | None) -> str | None:
    """What its order said when it failed; None while it works, or when a kill or a reboot broke it off: it goes on.

    In one pod an order that failed is not tried again: see `image.FIRST`.
    """
    if serves(pod, ORDER):
        return None
    end = ended(pod, ORDER) or {}
    code, message = int(end.get("exitCode", 0)), str(end.get("message", ""))
    return message if code not in (0, *KILLED) or (code and message) else None


def serving(pod: Manifest | None) -> Readiness:
    """Judges whether sessions can be opened: the server's container runs; its order is given all the time it needs."""
    if pod is None or deleted(pod):
        return Readiness(Stage.WAITING, "its pod is not made yet")
    if serves(pod):
        return Readiness(Stage.READY)
    words = failed_order(pod)
    if words is not None:
        return Readiness(Stage.FAILED, "its order failed")
    return Readiness(Stage.WAITING, stuck(pod) or str(pod.get("status", {}).get("phase", "")))


def begun(pod: Manifest | None) -> Readiness:
    """Judges whether its order is being done, was done, or failed: what comes before may not take long."""
    if pod is None or deleted(pod):
        return Readiness(Stage.WAITING, "its pod is not made yet")
    if busy(pod) or failed_order(pod) is not None:
        return Readiness(Stage.READY)
    return Readiness(Stage.WAITING, stuck(pod) or str(pod.get("status", {}).get("phase", "")))


def up(pod: Manifest | None) -> Readiness:
    """Judges whether a pod that is wanted came up, or will not by itself."""
    if pod is not None and not deleted(pod) and (busy(pod) or stuck(pod)):
        return Readiness(Stage.READY)
    return Readiness(Stage.WAITING, "starting")


def gone(pod: Manifest | None) -> Readiness:
    """Judges whether it is no more."""
    return Readiness(Stage.READY if pod is None else Stage.WAITING, "" if pod is None else "it is still there")


def done(pod: Manifest | None) -> Readiness:
    """Judges whether a pod that does one thing has ended, well or not."""
    if pod is None:
        return Readiness(Stage.WAITING, "its pod is not made yet")
    if pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return Readiness(Stage.READY)
    return Readiness(Stage.WAITING, stuck(pod) or str(pod.get("status", {}).get("phase", "")))


def addressed(service: Manifest | None) -> Readiness:
    """Judges whether a load balancer has given a Service its address."""
    found = (service or {}).get("status", {}).get("loadBalancer", {}).get("ingress")
    return Readiness(Stage.READY) if found else Readiness(Stage.WAITING, "no load balancer gave it an address")


def node_address(nodes: Sequence[Manifest], wished: str) -> str:
    """Address at which a NodePort answers: of the wished node, else of a ready worker, else of any ready one; or ""."""

    def rank(node: Manifest) -> tuple[bool, bool, str]:
        name = node["metadata"]["name"]
        return name != wished, "node-role.kubernetes.io/control-plane" in node["metadata"].get("labels", {}), name

    for node in sorted((node for node in nodes if _ready(node)), key=rank):
        addresses = {each["type"]: each["address"] for each in node["status"].get("addresses", ())}
        if "InternalIP" in addresses:
            return str(addresses["InternalIP"])
    return ""


def away(nodes: Sequence[Manifest]) -> bool:
    """Whether no node of these is there and ready: nothing that is asked of it is done."""
    return not any(_ready(node) for node in nodes)


def _ready(node: Manifest) -> bool:
    conditions = node.get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

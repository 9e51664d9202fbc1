"""When Kubernetes' own kinds are ready.

Counts of a status are believed only for the present generation, and only when all of them fit: a Deployment whose old
pods still serve has as many available replicas as wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ephemeral_castle.manifests import words
from ephemeral_castle.manifests.readiness import (
    Manifest,
    Readiness,
    by_condition,
    condition,
    count,
    failed,
    holds,
    ready,
    spec,
    status,
    told,
    unseen,
    waiting,
)

NODE_TAINTS = (
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/network-unavailable",
    "node.cloudprovider.kubernetes.io/uninitialized",
)


def _wanted(manifest: Manifest) -> int:
    replicas = spec(manifest).get("replicas")
    return 1 if replicas is None else count(replicas)


def deployment(manifest: Manifest) -> Readiness:
    """All replicas are of the present version and available, and no older one is left."""
    wanted, found = _wanted(manifest), status(manifest)
    updated, there = count(found.get("updatedReplicas")), count(found.get("replicas"))
    available = count(found.get("availableReplicas"))
    if unseen(manifest):
        return waiting(unseen(manifest))
    if holds(manifest, "ReplicaFailure"):
        return waiting(told(condition(manifest, "ReplicaFailure")))
    late = condition(manifest, "Progressing").get("reason") == "ProgressDeadlineExceeded"
    more = f"; {told(condition(manifest, 'Progressing'))}" if late else ""
    if updated < wanted:
        return waiting(f"{updated} of {wanted} replicas are of the present version{more}")
    if there > updated:
        return waiting(f"{there - updated} replicas of an older version are still there{more}")
    if available < wanted:
        return waiting(f"{available} of {wanted} replicas are available{more}")
    return ready(f"{available} of {wanted} replicas are available")


def stateful_set(manifest: Manifest) -> Readiness:
    """All replicas are ready, and of the present version where the controller brings them to it."""
    wanted, found = _wanted(manifest), status(manifest)
    if unseen(manifest):
        return waiting(unseen(manifest))
    there, serving = count(found.get("replicas")), count(found.get("readyReplicas"))
    if "availableReplicas" in found:
        serving = min(serving, count(found["availableReplicas"]))
    if there != wanted or serving < wanted:
        return waiting(f"{serving} of {wanted} replicas are ready" + (f", {there} are there" if there > wanted else ""))
    strategy = spec(manifest).get("updateStrategy") or {}
    partition = count((strategy.get("rollingUpdate") or {}).get("partition"))
    if strategy.get("type") != "OnDelete":
        updated = count(found.get("updatedReplicas"))
        fresh = found.get("currentRevision") == found.get("updateRevision")
        if updated < wanted - partition and not fresh:
            return waiting(f"{updated} of {wanted - partition} replicas are of the present version")
    return ready(f"{serving} of {wanted} replicas are ready")


def daemon_set(manifest: Manifest) -> Readiness:
    """A pod of the present version is available on every node that should have one, and there is such a node."""
    found = status(manifest)
    if unseen(manifest):
        return waiting(unseen(manifest))
    wanted = count(found.get("desiredNumberScheduled"))
    if not wanted:
        return waiting("no node takes it yet")  # a cluster whose nodes are still to come says so, too
    updated, available = count(found.get("updatedNumberScheduled")), count(found.get("numberAvailable"))
    if (spec(manifest).get("updateStrategy") or {}).get("type") != "OnDelete" and updated < wanted:
        return waiting(f"{updated} of {wanted} pods are of the present version")
    if available < wanted:
        return waiting(f"{available} of {wanted} pods are available")
    return ready(f"{available} of {wanted} pods are available")


def replica_set(manifest: Manifest) -> Readiness:
    """All replicas are available."""
    wanted, available = _wanted(manifest), count(status(manifest).get("availableReplicas"))
    if unseen(manifest):
        return waiting(unseen(manifest))
    if holds(manifest, "ReplicaFailure"):
        return waiting(told(condition(manifest, "ReplicaFailure")))
    say = ready if available >= wanted else waiting
    return say(f"{available} of {wanted} replicas are available")


def job(manifest: Manifest) -> Readiness:
    """It is complete: a pod that succeeded is not enough, others may have to."""
    found = status(manifest)
    if holds(manifest, "Complete"):
        return ready(told(condition(manifest, "Complete")))
    if holds(manifest, "Failed"):
        return failed(told(condition(manifest, "Failed")))
    if holds(manifest, "Suspended"):
        return waiting("it is suspended")
    active, lost = count(found.get("active")), count(found.get("failed"))
    return waiting(f"{active} pods run" + (f", {lost} failed" if lost else ""))


def pod(manifest: Manifest) -> Readiness:
    """It is Ready, or has done what it was for."""
    phase = status(manifest).get("phase")
    if phase == "Succeeded":
        return ready("it ended well")
    if phase == "Failed":
        return failed(words.pod_line(manifest))
    if phase == "Running" and holds(manifest, "Ready"):
        return ready("Ready")
    trouble = [f"{name}: {why}" for name, why, _ in words.containers_in_trouble(manifest)]
    return waiting("; ".join([words.pod_line(manifest), *trouble]))


def claim(manifest: Manifest) -> Readiness:
    """It is bound. What the volume holds is another matter: a restoring one may be bound while data still comes."""
    phase = status(manifest).get("phase")
    if phase == "Lost":
        return failed(f"its volume {spec(manifest).get('volumeName', '')} is lost")
    return ready("Bound") if phase == "Bound" else waiting(f"it is {phase or 'new'}")


def volume(manifest: Manifest) -> Readiness:
    """It can be claimed, or is."""
    found = status(manifest)
    phase = found.get("phase")
    if phase == "Failed":
        return failed(f"it is Failed: {found.get('message', '')}")
    if phase in ("Available", "Bound"):
        return ready(str(phase))
    return waiting(f"it is {phase or 'new'}")


def service(manifest: Manifest) -> Readiness:
    """It has the addresses that its type promises. Whether anybody announces and answers there, it does not say."""
    wanted = spec(manifest)
    if wanted.get("type") == "ExternalName":
        return ready("it is a name")
    if not wanted.get("clusterIP"):
        return waiting("it has no address in the cluster yet")
    if wanted.get("type") != "LoadBalancer":
        return ready(str(wanted["clusterIP"]))
    ingress = (status(manifest).get("loadBalancer") or {}).get("ingress") or ()
    given = [each.get("ip") or each.get("hostname") for each in ingress if isinstance(each, Mapping)]
    return ready(str(given[0])) if given and given[0] else waiting("nobody has given it an address yet")


def ingress(manifest: Manifest) -> Readiness:
    """A controller has taken it and says where."""
    given = (status(manifest).get("loadBalancer") or {}).get("ingress") or ()
    return ready("it has an address") if given else waiting("no controller says where it is served")


def namespace(manifest: Manifest) -> Readiness:
    """It is active; while it is being deleted, it takes nothing new."""
    phase = status(manifest).get("phase")
    return ready("Active") if phase == "Active" else waiting(f"it is {phase or 'new'}")


def node(manifest: Manifest) -> Readiness:
    """It is Ready and takes pods: a node whose taint is not gone, or that is cordoned, is Ready and takes none."""
    wanted = spec(manifest)
    seen = by_condition(manifest, "Ready")
    if seen.stage != "ready":
        return seen
    taints = [each.get("key") for each in wanted.get("taints") or () if each.get("key") in NODE_TAINTS]
    if taints:
        return waiting(f"it still carries the taint {taints[0]}")
    if holds(manifest, "NetworkUnavailable"):
        return waiting(told(condition(manifest, "NetworkUnavailable")))
    return waiting("it takes no new pods (cordoned)") if wanted.get("unschedulable") else ready("Ready")


def definition(manifest: Manifest) -> Readiness:
    """A CustomResourceDefinition: its names are its own, and its objects can be written."""
    names = condition(manifest, "NamesAccepted")
    if names.get("status") == "False":
        return failed(told(names))
    if not names:
        return waiting("the API server has not looked at its names yet")
    return by_condition(manifest, "Established")


def api_service(manifest: Manifest) -> Readiness:
    """The server behind it answers."""
    return by_condition(manifest, "Available")


def budget(manifest: Manifest) -> Readiness:
    """As many pods as it demands are healthy."""
    found = status(manifest)
    if unseen(manifest):
        return waiting(unseen(manifest))
    healthy, wanted = count(found.get("currentHealthy")), count(found.get("desiredHealthy"))
    say = ready if healthy >= wanted else waiting
    return say(f"{healthy} of {wanted} pods are healthy")


def quota(manifest: Manifest) -> Readiness:
    """It is counted: before that it may refuse what it would allow."""
    counted = status(manifest).get("hard") == spec(manifest).get("hard")
    return ready("it is counted") if counted else waiting("it is not counted yet")


def webhooks(manifest: Manifest) -> Readiness:
    """Every hook that is a Service has a CA to be believed by. Whether it answers only a dry run shows."""
    bare = [
        str(each.get("name"))
        for each in manifest.get("webhooks") or ()
        if (each.get("clientConfig") or {}).get("service") and not each["clientConfig"].get("caBundle")
    ]
    return waiting(f"webhook {bare[0]} has no CA yet") if bare else ready("its kind has no status; a dry run tells")


def policy(manifest: Manifest) -> Readiness:
    """A ValidatingAdmissionPolicy whose expressions were checked. Whether it refuses only a dry run shows."""
    if unseen(manifest):
        return waiting(unseen(manifest))
    warnings = (status(manifest).get("typeChecking") or {}).get("expressionWarnings") or ()
    return ready("; ".join(words.short(str(each.get("warning"))) for each in warnings))


KINDS: Mapping[tuple[str, str], Callable[[Manifest], Readiness]] = {
    ("apps", "Deployment"): deployment,
    ("apps", "StatefulSet"): stateful_set,
    ("apps", "DaemonSet"): daemon_set,
    ("apps", "ReplicaSet"): replica_set,
    ("batch", "Job"): job,
    ("", "Pod"): pod,
    ("", "PersistentVolumeClaim"): claim,
    ("", "PersistentVolume"): volume,
    ("", "Service"): service,
    ("networking.k8s.io", "Ingress"): ingress,
    ("", "Namespace"): namespace,
    ("", "Node"): node,
    ("", "ResourceQuota"): quota,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): definition,
    ("apiregistration.k8s.io", "APIService"): api_service,
    ("policy", "PodDisruptionBudget"): budget,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): webhooks,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): webhooks,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): policy,
}

# Kinds that say nothing of themselves, because there is nothing to say: what is written is in force.
MUTE: Mapping[str, tuple[str, ...]] = {
    "": ("ConfigMap", "Secret", "ServiceAccount", "LimitRange", "Endpoints", "Event", "PodTemplate"),
    "apps": ("ControllerRevision",),
    "batch": ("CronJob",),
    "rbac.authorization.k8s.io": ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
    "storage.k8s.io": ("StorageClass", "CSIDriver", "CSINode", "CSIStorageCapacity", "VolumeAttributesClass"),
    "scheduling.k8s.io": ("PriorityClass",),
    "node.k8s.io": ("RuntimeClass",),
    "networking.k8s.io": ("NetworkPolicy", "IngressClass"),
    "coordination.k8s.io": ("Lease",),
    "discovery.k8s.io": ("EndpointSlice",),
    "events.k8s.io": ("Event",),
    "admissionregistration.k8s.io": (
        "ValidatingAdmissionPolicyBinding",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
    ),
}

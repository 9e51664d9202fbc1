"""Kubernetes' own kinds: what looks ready and is not."""

from __future__ import annotations

from typing import Any

import pytest

from ephemeral_castle.manifests import ready
from ephemeral_castle.manifests.readiness import Manifest
from tests.unit.manifests.samples import condition, conditions, made

READY, WAITING, FAILED = "ready", "waiting", "failed"
COUNTS = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3}
LATE = condition("Progressing", "False", "ProgressDeadlineExceeded", "has timed out")


def deployment(**status: Any) -> Manifest:
    return made("apps/v1", "Deployment", spec={"replicas": 3}, status={**COUNTS, **status})


def stateful(spec: dict[str, Any] | None = None, **status: Any) -> Manifest:
    revisions = {"currentRevision": "a", "updateRevision": "a"}
    return made(
        "apps/v1", "StatefulSet", spec={"replicas": 3, **(spec or {})}, status={**COUNTS, **revisions, **status}
    )


def daemon(spec: dict[str, Any] | None = None, **status: Any) -> Manifest:
    counts = {"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}
    return made("apps/v1", "DaemonSet", spec=spec or {}, status={**counts, **status})


def job(*found: dict[str, Any], **status: Any) -> Manifest:
    return made("batch/v1", "Job", spec={}, status=conditions(*found, **status))


def pod(phase: str, *found: dict[str, Any], **status: Any) -> Manifest:
    return made("v1", "Pod", generation=0, status=conditions(*found, phase=phase, **status))


def node(*found: dict[str, Any], **spec: Any) -> Manifest:
    return made("v1", "Node", generation=0, spec=spec, status=conditions(*found))


def service(ingress: list[dict[str, str]] | None = None, **spec: Any) -> Manifest:
    balancer = {"loadBalancer": {"ingress": ingress}} if ingress is not None else {"loadBalancer": {}}
    return made("v1", "Service", generation=0, spec={"clusterIP": "10.96.0.7", **spec}, status=balancer)


def crd(*found: dict[str, Any]) -> Manifest:
    return made("apiextensions.k8s.io/v1", "CustomResourceDefinition", status=conditions(*found))


def hook(**client: Any) -> Manifest:
    webhook = {"name": "check.example.org", "clientConfig": client}
    return made("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", webhooks=[webhook])


GOOD = condition("Ready")
CASES: list[tuple[str, Manifest, str, str]] = [
    ("a deployment that is whole", deployment(), READY, "3 of 3"),
    ("counts of the generation before", deployment(observedGeneration=1), WAITING, "generation 1, and 2 is wanted"),
    ("counts that nobody made", made("apps/v1", "Deployment", spec={}), WAITING, "has not seen it yet"),
    ("old replicas that still serve", deployment(updatedReplicas=1), WAITING, "1 of 3 replicas are of the present"),
    ("an old replica that has not gone", deployment(replicas=4), WAITING, "1 replicas of an older version"),
    ("ready and not yet available", deployment(availableReplicas=2), WAITING, "2 of 3 replicas are available"),
    ("an image that never comes", deployment(updatedReplicas=1, conditions=[LATE]), WAITING, "has timed out"),
    (
        "a quota that is used up",
        deployment(conditions=[condition("ReplicaFailure", message="exceeded quota")]),
        WAITING,
        "exceeded quota",
    ),
    (
        "nothing wanted",
        made("apps/v1", "Deployment", spec={"replicas": 0}, status={"observedGeneration": 2}),
        READY,
        "0",
    ),
    ("a stateful set that is whole", stateful(), READY, "3 of 3"),
    ("its status of the generation before", stateful(observedGeneration=1), WAITING, "generation 1"),
    (
        "its pods of the revision before",
        stateful(updateRevision="b", updatedReplicas=1),
        WAITING,
        "1 of 3 replicas are of",
    ),
    ("pods that are not there yet", stateful(replicas=2, readyReplicas=2), WAITING, "2 of 3"),
    ("too many pods", stateful(replicas=4), WAITING, "4 are there"),
    ("ready and not yet available", stateful(availableReplicas=1), WAITING, "1 of 3"),
    (
        "a partition holds the others back",
        stateful({"updateStrategy": {"rollingUpdate": {"partition": 2}}}, updateRevision="b", updatedReplicas=1),
        READY,
        "",
    ),
    (
        "it is updated by deletion only",
        stateful({"updateStrategy": {"type": "OnDelete"}}, updateRevision="b", updatedReplicas=0),
        READY,
        "",
    ),
    ("a daemon set that is whole", daemon(), READY, "3 of 3"),
    ("no node is there yet", daemon(desiredNumberScheduled=0), WAITING, "no node takes it yet"),
    ("its pods of the version before", daemon(updatedNumberScheduled=1), WAITING, "1 of 3 pods are of the present"),
    ("its pods start", daemon(numberAvailable=2), WAITING, "2 of 3 pods are available"),
    (
        "it is updated by deletion only",
        daemon({"updateStrategy": {"type": "OnDelete"}}, updatedNumberScheduled=0),
        READY,
        "",
    ),
    ("its status of the generation before", daemon(observedGeneration=1), WAITING, "generation 1"),
    (
        "a replica set",
        made("apps/v1", "ReplicaSet", spec={"replicas": 2}, status={"observedGeneration": 2, "availableReplicas": 1}),
        WAITING,
        "1 of 2",
    ),
    ("a job whose pod succeeded", job(succeeded=1), WAITING, "0 pods run"),
    ("a job that is about to be complete", job(condition("SuccessCriteriaMet"), succeeded=1), WAITING, ""),
    ("a job that is complete", job(condition("Complete"), succeeded=1), READY, "Complete"),
    ("a job that tries again", job(active=1, failed=2), WAITING, "1 pods run, 2 failed"),
    ("a job that gave up", job(condition("Failed", reason="BackoffLimitExceeded")), FAILED, "BackoffLimitExceeded"),
    ("a job that may not start", job(condition("Suspended")), WAITING, "suspended"),
    ("a pod that runs and is not ready", pod("Running", condition("Ready", "False")), WAITING, "Running"),
    ("a pod that is ready", pod("Running", GOOD), READY, ""),
    ("a pod that is done", pod("Succeeded", condition("Ready", "False")), READY, "ended well"),
    (
        "a pod that was thrown out",
        pod("Failed", GOOD, reason="Evicted", message="disk pressure"),
        FAILED,
        "disk pressure",
    ),
    ("a pod without a node", pod("Pending", condition("PodScheduled", "False", message="no room")), WAITING, "no room"),
    (
        "a pod without an image",
        pod("Pending", containerStatuses=[{"name": "db", "state": {"waiting": {"reason": "ErrImagePull"}}}]),
        WAITING,
        "db: ErrImagePull",
    ),
    ("a claim", made("v1", "PersistentVolumeClaim", status={"phase": "Bound"}), READY, ""),
    ("a claim without a volume", made("v1", "PersistentVolumeClaim", status={"phase": "Pending"}), WAITING, "Pending"),
    (
        "a claim whose volume went",
        made("v1", "PersistentVolumeClaim", spec={"volumeName": "pv1"}, status={"phase": "Lost"}),
        FAILED,
        "pv1 is lost",
    ),
    ("a volume that nobody claims", made("v1", "PersistentVolume", status={"phase": "Available"}), READY, ""),
    ("a volume that was somebody's", made("v1", "PersistentVolume", status={"phase": "Released"}), WAITING, "Released"),
    ("a volume that broke", made("v1", "PersistentVolume", status={"phase": "Failed", "message": "x"}), FAILED, "x"),
    ("a service in the cluster", service(), READY, "10.96.0.7"),
    ("a service without an address", service(clusterIP=""), WAITING, "no address"),
    ("a headless service", service(clusterIP="None"), READY, ""),
    ("a service that is a name", service(type="ExternalName", clusterIP=""), READY, ""),
    ("a balancer with an inner address only", service(type="LoadBalancer"), WAITING, "nobody has given it an address"),
    ("a balancer with an empty row", service([{}], type="LoadBalancer"), WAITING, "nobody has given it an address"),
    ("a balancer with an address", service([{"ip": "192.168.1.240"}], type="LoadBalancer"), READY, "192.168.1.240"),
    (
        "an ingress without a controller",
        made("networking.k8s.io/v1", "Ingress", status={"loadBalancer": {}}),
        WAITING,
        "",
    ),
    (
        "an ingress",
        made("networking.k8s.io/v1", "Ingress", status={"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}),
        READY,
        "",
    ),
    ("a namespace", made("v1", "Namespace", status={"phase": "Active"}), READY, ""),
    ("a namespace that goes", made("v1", "Namespace", status={"phase": "Terminating"}), WAITING, "Terminating"),
    ("a node", node(GOOD), READY, ""),
    ("a node nobody hears of", node(condition("Ready", "Unknown", "NodeStatusUnknown")), WAITING, "NodeStatusUnknown"),
    (
        "a node that still carries its taint",
        node(GOOD, taints=[{"key": "node.kubernetes.io/not-ready"}]),
        WAITING,
        "node.kubernetes.io/not-ready",
    ),
    ("a control plane", node(GOOD, taints=[{"key": "node-role.kubernetes.io/control-plane"}]), READY, ""),
    ("a node without a network", node(GOOD, condition("NetworkUnavailable", reason="NoRoute")), WAITING, "NoRoute"),
    ("a node that is cordoned", node(GOOD, unschedulable=True), WAITING, "cordoned"),
    ("a definition", crd(condition("NamesAccepted"), condition("Established")), READY, ""),
    ("a definition whose names were accepted", crd(condition("NamesAccepted")), WAITING, "Established"),
    ("a definition that nobody looked at", crd(condition("Established")), WAITING, "names"),
    (
        "a definition whose name another has",
        crd(condition("NamesAccepted", "False", "PluralConflict"), condition("Established")),
        FAILED,
        "PluralConflict",
    ),
    (
        "a server behind the API that does not answer",
        made(
            "apiregistration.k8s.io/v1",
            "APIService",
            status=conditions(condition("Available", "False", "MissingEndpoints")),
        ),
        WAITING,
        "MissingEndpoints",
    ),
    (
        "a budget",
        made(
            "policy/v1",
            "PodDisruptionBudget",
            status={"observedGeneration": 2, "currentHealthy": 1, "desiredHealthy": 2},
        ),
        WAITING,
        "1 of 2",
    ),
    ("a quota that nobody counted", made("v1", "ResourceQuota", spec={"hard": {"pods": "4"}}), WAITING, "not counted"),
    ("a webhook without a CA", hook(service={"name": "x"}), WAITING, "check.example.org has no CA yet"),
    ("a webhook with a CA", hook(service={"name": "x"}, caBundle="LS0t"), READY, "a dry run tells"),
    ("a webhook outside", hook(url="https://example.org"), READY, ""),
    (
        "a policy that nobody checked",
        made("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"),
        WAITING,
        "has not seen it yet",
    ),
    (
        "a policy with a doubt",
        made(
            "admissionregistration.k8s.io/v1",
            "ValidatingAdmissionPolicy",
            status={"observedGeneration": 2, "typeChecking": {"expressionWarnings": [{"warning": "no such field"}]}},
        ),
        READY,
        "no such field",
    ),
]


@pytest.mark.parametrize(("manifest", "stage", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_readiness(manifest: Manifest, stage: str, words: str) -> None:
    seen = ready.judge(manifest)
    assert (seen.stage, words in seen.why) == (stage, True), seen


@pytest.mark.parametrize("manifest", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_being_deleted_is_never_ready(manifest: Manifest) -> None:
    meta = {**manifest["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x/y"]}
    seen = ready.judge({**manifest, "metadata": meta})
    assert seen.stage == WAITING
    assert seen.why.startswith("it is being deleted, held by x/y")

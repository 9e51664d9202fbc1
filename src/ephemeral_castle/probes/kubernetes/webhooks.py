"""Webhooks that judge changes: which objects they would be asked about. Pure.

A webhook that nobody answers at stops every change of its kinds, and one that refuses what stands there will refuse the
same in the next life. Both show by a dry run, which stores nothing.
Source: kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ephemeral_castle.spi.kubernetes import Manifest

API = "admissionregistration.k8s.io/v1"
KINDS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
# Kinds of Kubernetes itself, by group and plural; those of CRDs are read from the cluster.
BUILT_IN = {
    ("", "configmaps"): ("v1", "ConfigMap"),
    ("", "namespaces"): ("v1", "Namespace"),
    ("", "secrets"): ("v1", "Secret"),
    ("", "services"): ("v1", "Service"),
    ("", "serviceaccounts"): ("v1", "ServiceAccount"),
    ("", "persistentvolumeclaims"): ("v1", "PersistentVolumeClaim"),
    ("", "pods"): ("v1", "Pod"),
    ("apps", "daemonsets"): ("apps/v1", "DaemonSet"),
    ("apps", "deployments"): ("apps/v1", "Deployment"),
    ("apps", "statefulsets"): ("apps/v1", "StatefulSet"),
    ("batch", "cronjobs"): ("batch/v1", "CronJob"),
    ("networking.k8s.io", "ingresses"): ("networking.k8s.io/v1", "Ingress"),
    ("networking.k8s.io", "networkpolicies"): ("networking.k8s.io/v1", "NetworkPolicy"),
}
JUDGED = ("UPDATE", "*")  # a dry run of what stands there is an update
SERVER_SIDE = (
    "managedFields",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "selfLink",
    "deletionTimestamp",
)


@dataclass(frozen=True)
class Judge:
    """One webhook and a kind that it judges. `webhook`: its name; `api`, `kind`: as an object says them."""

    webhook: str
    api: str
    kind: str


def judges(configurations: Iterable[Manifest], definitions: Sequence[Manifest]) -> list[Judge]:
    """Every webhook with every kind that it judges and that is known here.

    Args:
        configurations: of webhooks.
        definitions: the CRDs of the cluster.
    """
    kinds = {**BUILT_IN, **dict(_custom(definitions))}
    found: dict[Judge, None] = {}
    for configuration in configurations:
        for webhook in configuration.get("webhooks") or ():
            for rule in webhook.get("rules") or ():
                if any(each in JUDGED for each in rule.get("operations") or ()):
                    found |= dict.fromkeys(Judge(webhook["name"], *each) for each in _meant(rule, kinds))
    return list(found)


def _custom(definitions: Sequence[Manifest]) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    for each in definitions:
        spec = each["spec"]
        served = [version["name"] for version in spec["versions"] if version.get("storage")]
        if served:
            yield (spec["group"], spec["names"]["plural"]), (f"{spec['group']}/{served[0]}", spec["names"]["kind"])


def _meant(
    rule: Mapping[str, list[str]], kinds: Mapping[tuple[str, str], tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    groups, plurals = rule.get("apiGroups") or (), rule.get("resources") or ()
    for (group, plural), kind in kinds.items():
        if ("*" in groups or group in groups) and any(each in ("*", "*/*", plural) for each in plurals):
            yield kind


def again(live: Manifest, api: str, kind: str) -> Manifest:
    """What stands there, as one would apply it once more."""
    found = copy.deepcopy(live)
    found.pop("status", None)
    meta = {key: value for key, value in found["metadata"].items() if key not in SERVER_SIDE}
    return {**found, "apiVersion": api, "kind": kind, "metadata": meta}

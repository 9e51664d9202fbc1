"""Versions of APIs that came and went: which one an object should be written in. Data, and its look-up. Pure.

`component` says whose version counts: "kubernetes", or a chart whose release in the repository tells it. `gone` is the
first version that does not serve it any more; () where it still is served, and only deprecated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Retired:
    """A version of an API that went, or will."""

    api: str
    kinds: tuple[str, ...]  # empty: all of the group
    component: str
    gone: tuple[int, ...]
    successor: str  # "" where there is none
    other: str = ""  # what else changes with it


def retired(api: str, kind: str) -> Iterator[Retired]:
    """What is known of an object's version."""
    return (one for one in TABLE if one.api == api and (not one.kinds or kind in one.kinds))


def _built(api: str, kinds: str, gone: tuple[int, int], successor: str, other: str = "") -> Retired:
    return Retired(api, tuple(kinds.split()), "kubernetes", gone, successor, other)


SELECTOR = "`spec.selector` is required and cannot change later"
BACKENDS = "`backend` is written `service: {name, port}`, and every path has a `pathType`"

KUBERNETES = (
    _built("extensions/v1beta1", "Deployment DaemonSet ReplicaSet", (1, 16), "apps/v1", SELECTOR),
    _built("extensions/v1beta1", "NetworkPolicy", (1, 16), "networking.k8s.io/v1"),
    _built("extensions/v1beta1", "PodSecurityPolicy", (1, 16), "", "label namespaces for Pod Security instead"),
    _built("extensions/v1beta1", "Ingress", (1, 22), "networking.k8s.io/v1", BACKENDS),
    _built("apps/v1beta1", "", (1, 16), "apps/v1", SELECTOR),
    _built("apps/v1beta2", "", (1, 16), "apps/v1", SELECTOR),
    _built(
        "admissionregistration.k8s.io/v1beta1",
        "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
        (1, 22),
        "admissionregistration.k8s.io/v1",
        "`sideEffects` and `admissionReviewVersions` are required",
    ),
    _built(
        "admissionregistration.k8s.io/v1beta1",
        "ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding",
        (1, 34),
        "admissionregistration.k8s.io/v1",
    ),
    _built("apiextensions.k8s.io/v1beta1", "", (1, 22), "apiextensions.k8s.io/v1", "a structural schema is required"),
    _built("apiregistration.k8s.io/v1beta1", "", (1, 22), "apiregistration.k8s.io/v1"),
    _built("authentication.k8s.io/v1beta1", "TokenReview", (1, 22), "authentication.k8s.io/v1"),
    _built("authorization.k8s.io/v1beta1", "", (1, 22), "authorization.k8s.io/v1"),
    _built(
        "certificates.k8s.io/v1beta1",
        "CertificateSigningRequest",
        (1, 22),
        "certificates.k8s.io/v1",
        "`signerName` and `usages` are required",
    ),
    _built("coordination.k8s.io/v1beta1", "Lease", (1, 22), "coordination.k8s.io/v1"),
    _built("networking.k8s.io/v1beta1", "Ingress IngressClass", (1, 22), "networking.k8s.io/v1", BACKENDS),
    _built("rbac.authorization.k8s.io/v1beta1", "", (1, 22), "rbac.authorization.k8s.io/v1"),
    _built("rbac.authorization.k8s.io/v1alpha1", "", (1, 23), "rbac.authorization.k8s.io/v1"),
    _built("scheduling.k8s.io/v1beta1", "PriorityClass", (1, 22), "scheduling.k8s.io/v1"),
    _built("storage.k8s.io/v1beta1", "CSIDriver CSINode StorageClass VolumeAttachment", (1, 22), "storage.k8s.io/v1"),
    _built("storage.k8s.io/v1beta1", "CSIStorageCapacity", (1, 27), "storage.k8s.io/v1"),
    _built("batch/v1beta1", "CronJob", (1, 25), "batch/v1"),
    _built("batch/v2alpha1", "CronJob", (1, 21), "batch/v1"),
    _built("discovery.k8s.io/v1beta1", "EndpointSlice", (1, 25), "discovery.k8s.io/v1"),
    _built("events.k8s.io/v1beta1", "Event", (1, 25), "events.k8s.io/v1"),
    _built("autoscaling/v2beta1", "HorizontalPodAutoscaler", (1, 25), "autoscaling/v2", "metrics have a `target`"),
    _built("autoscaling/v2beta2", "HorizontalPodAutoscaler", (1, 26), "autoscaling/v2"),
    _built("policy/v1beta1", "PodDisruptionBudget", (1, 25), "policy/v1", "an empty `selector` now takes all pods"),
    _built("policy/v1beta1", "PodSecurityPolicy", (1, 25), "", "label namespaces for Pod Security instead"),
    _built("node.k8s.io/v1beta1", "RuntimeClass", (1, 25), "node.k8s.io/v1"),
    _built("flowcontrol.apiserver.k8s.io/v1beta1", "", (1, 26), "flowcontrol.apiserver.k8s.io/v1"),
    _built("flowcontrol.apiserver.k8s.io/v1beta2", "", (1, 29), "flowcontrol.apiserver.k8s.io/v1"),
    _built("flowcontrol.apiserver.k8s.io/v1beta3", "", (1, 32), "flowcontrol.apiserver.k8s.io/v1"),
)


def _chart(api: str, kinds: str, chart: str, gone: tuple[int, ...], successor: str, other: str = "") -> Retired:
    return Retired(api, tuple(kinds.split()), chart, gone, successor, other)


FLUX = (2, 8)  # the first version that is known to serve none of these
OPERATORS = (
    _chart(
        "external-secrets.io/v1alpha1",
        "ExternalSecret SecretStore ClusterSecretStore ClusterExternalSecret",
        "external-secrets",
        (0, 17),
        "external-secrets.io/v1",
    ),
    _chart("external-secrets.io/v1beta1", "", "external-secrets", (0, 17), "external-secrets.io/v1"),
    _chart(
        "kubernetes-client.io/v1",
        "ExternalSecret",
        "external-secrets",
        (0, 1),
        "external-secrets.io/v1",
        "the whole spec is another one",
    ),
    _chart("kustomize.toolkit.fluxcd.io/v1beta1", "", "flux", FLUX, "kustomize.toolkit.fluxcd.io/v1"),
    _chart(
        "kustomize.toolkit.fluxcd.io/v1beta2",
        "",
        "flux",
        FLUX,
        "kustomize.toolkit.fluxcd.io/v1",
        "`patchesStrategicMerge` and `patchesJson6902` are written as `patches`",
    ),
    _chart("helm.toolkit.fluxcd.io/v2beta1", "", "flux", FLUX, "helm.toolkit.fluxcd.io/v2"),
    _chart("helm.toolkit.fluxcd.io/v2beta2", "", "flux", FLUX, "helm.toolkit.fluxcd.io/v2"),
    _chart("source.toolkit.fluxcd.io/v1beta1", "", "flux", FLUX, "source.toolkit.fluxcd.io/v1"),
    _chart("source.toolkit.fluxcd.io/v1beta2", "", "flux", FLUX, "source.toolkit.fluxcd.io/v1"),
    _chart(
        "notification.toolkit.fluxcd.io/v1beta1",
        "Alert Provider",
        "flux",
        FLUX,
        "notification.toolkit.fluxcd.io/v1beta3",
    ),
    _chart("notification.toolkit.fluxcd.io/v1beta1", "Receiver", "flux", FLUX, "notification.toolkit.fluxcd.io/v1"),
    _chart(
        "notification.toolkit.fluxcd.io/v1beta2", "Alert Provider", "flux", (), "notification.toolkit.fluxcd.io/v1beta3"
    ),
    _chart("notification.toolkit.fluxcd.io/v1beta2", "Receiver", "flux", (), "notification.toolkit.fluxcd.io/v1"),
    _chart("image.toolkit.fluxcd.io/v1alpha1", "", "flux", FLUX, "image.toolkit.fluxcd.io/v1"),
    _chart("image.toolkit.fluxcd.io/v1alpha2", "", "flux", FLUX, "image.toolkit.fluxcd.io/v1"),
    _chart("image.toolkit.fluxcd.io/v1beta1", "", "flux", FLUX, "image.toolkit.fluxcd.io/v1"),
    _chart("image.toolkit.fluxcd.io/v1beta2", "", "flux", (), "image.toolkit.fluxcd.io/v1"),
    _chart("certmanager.k8s.io/v1alpha1", "", "cert-manager", (0, 11), "cert-manager.io/v1", "annotations change too"),
    _chart("cert-manager.io/v1alpha2", "", "cert-manager", (1, 6), "cert-manager.io/v1"),
    _chart("cert-manager.io/v1alpha3", "", "cert-manager", (1, 6), "cert-manager.io/v1"),
    _chart("cert-manager.io/v1beta1", "", "cert-manager", (1, 6), "cert-manager.io/v1"),
    _chart("traefik.containo.us/v1alpha1", "", "traefik", (28,), "traefik.io/v1alpha1"),
    _chart("longhorn.io/v1beta1", "", "longhorn", (1, 10), "longhorn.io/v1beta2"),
    _chart("metallb.io/v1alpha1", "", "metallb", (0, 16), "metallb.io/v1beta1"),
    _chart(
        "metallb.io/v1beta1",
        "AddressPool",
        "metallb",
        (0, 16),
        "metallb.io/v1beta1 IPAddressPool",
        "it says nothing of announcing: that is an L2Advertisement or BGPAdvertisement",
    ),
    _chart("metallb.io/v1beta1", "BGPPeer", "metallb", (), "metallb.io/v1beta2"),
)
TABLE = KUBERNETES + OPERATORS
NAMES = {"kubernetes": "Kubernetes", "flux": "Flux", "traefik": "Traefik's chart"}

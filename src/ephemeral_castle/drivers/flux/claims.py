"""What the driver has to be allowed to do in a cluster that somebody else raised. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ephemeral_castle.drivers.flux.options import FluxOptions
from ephemeral_castle.drivers.flux.steps import DESTROYING, RAISING, SEALING
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.claims import Claim, claims, explained
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.ways import raised_here

KUSTOMIZE, SOURCE, HELM = (f"{each}.toolkit.fluxcd.io" for each in ("kustomize", "source", "helm"))
RBAC = "rbac.authorization.k8s.io"
PUT = "get create patch"


def wanted(options: FluxOptions, request: Request) -> Sequence[Claim]:
    """By what the verb does with Flux: nothing in a drill, which stays away from one that lives."""
    if request.verb is Verb.DRILL and not raised_here(request):
        return []
    found: list[Claim] = []
    in_place = request.verb is Verb.RESTORE and not request.side
    if options.suspend and (request.verb in SEALING or in_place):
        found += claims(KUSTOMIZE, "kustomizations", "get list patch") + claims(HELM, "helmreleases", "list patch")
    if request.verb in DESTROYING and raised_here(request):  # only what ends with its machines is looked through
        found += claims("", "persistentvolumeclaims", "list")
    if request.verb in RAISING:
        found += _components(options.namespace) + _raise(options.namespace)
    if request.verb in RAISING and request.heal:
        found += claims("", "pods", "get list watch delete", options.namespace)
    return found


def _components(namespace: str) -> list[Claim]:
    """What `flux install --export` writes. `escalate` and `bind`: its controllers have more rights than castle."""
    return [
        *claims("", "namespaces", PUT),
        *claims("", "serviceaccounts services resourcequotas", "create patch", namespace),
        *claims("networking.k8s.io", "networkpolicies", "create patch", namespace),
        *claims("apps", "deployments", f"{PUT} list watch", namespace),
        *claims("apps", "deployments", "list"),  # titles of all controllers, for the report
        *claims("apiextensions.k8s.io", "customresourcedefinitions", f"{PUT} list watch"),
        *claims(RBAC, "clusterroles", "create patch bind escalate"),
        *claims(RBAC, "clusterrolebindings", "create patch"),
    ]


def _raise(namespace: str) -> list[Claim]:
    """First Secrets lie where their readers are; units anywhere."""
    return [
        *claims("", "secrets", PUT),
        *claims("", "configmaps", PUT, namespace),
        *claims(SOURCE, "gitrepositories", f"{PUT} list watch", namespace),
        *claims(KUSTOMIZE, "kustomizations", f"{PUT} list watch"),
        *claims(HELM, "helmreleases", "list patch"),
        *claims("apps", "deployments statefulsets daemonsets", "get"),
        *claims("batch", "jobs", "get"),  # both for the cause, where units of the repository do not become well
        *explained(),
    ]

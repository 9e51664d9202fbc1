"""What the driver has to be allowed to do in a cluster that somebody else raised. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ephemeral_castle.drivers.postgres.pgo.options import PgoOptions
from ephemeral_castle.drivers.postgres.pgo.vocabulary import GROUP, PLURAL
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.claims import Claim, claims, explained
from ephemeral_castle.spi.driver import Request

ADMISSION = "admissionregistration.k8s.io"
DEFINITIONS = "apiextensions.k8s.io"


def wanted(options: PgoOptions, request: Request) -> Sequence[Claim]:
    """Nothing where a drill leaves it alone: it is refused in a cluster that castle does not raise.

    Admission policies are the whole cluster's; castle writes its own alone, by name.
    """
    if request.verb is Verb.DRILL:
        return []
    space = options.namespace
    found = [
        *claims("", "namespaces", "get create patch"),
        *claims(DEFINITIONS, "customresourcedefinitions", "get list watch"),
        *claims(ADMISSION, "validatingadmissionpolicies validatingadmissionpolicybindings", "get create patch delete"),
        *claims(GROUP, PLURAL, "get list create patch delete watch", space),
        *claims("apps", "statefulsets", "get list patch", space),
        *claims("apps", "deployments", "get list create patch delete watch", space),
        *claims("batch", "jobs", "list delete", space),
        *claims("", "secrets", "get list create patch delete watch", space),
        *claims("", "persistentvolumeclaims", "get list delete", space),
        *claims("", "services", "get list watch", space),
        *claims("", "pods", "get list create delete watch", space),
        *claims("", "pods/exec", "get create", space),
        *explained(space),
    ]
    if options.by == "git":
        found += claims("", "configmaps", "get create patch delete", options.life.partition("/")[0])
        found += claims("kustomize.toolkit.fluxcd.io", "kustomizations", "get")
    return found + (claims("", "nodes", "list") if options.expose == "nodeport" else [])

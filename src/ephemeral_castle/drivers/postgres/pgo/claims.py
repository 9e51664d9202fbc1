"""What the driver has to be allowed to do in a cluster that somebody else raised. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ephemeral_castle.drivers.postgres.pgo.options import PgoOptions
from ephemeral_castle.drivers.postgres.pgo.vocabulary import GROUP, PLURAL
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.claims import Claim, claims, explained
from ephemeral_castle.spi.driver import Request

ADMISSION = "admissionregistration.k8s.io"
POLICIES = "validatingadmissionpolicies validatingadmissionpolicybindings"


def wanted(options: PgoOptions, request: Request) -> Sequence[Claim]:
    """The PostgresCluster, its lock and its Secrets are castle's; what the operator makes is scaled, entered and read.

    Nothing in a drill, which is refused in such a cluster.
    """
    if request.verb is Verb.DRILL:
        return []
    space = options.namespace
    found = [
        *claims("", "namespaces", "get create patch"),
        *claims(ADMISSION, POLICIES, "get create patch delete"),
        *claims("apiextensions.k8s.io", "customresourcedefinitions", "get list watch"),
        *claims(GROUP, PLURAL, "get list watch create patch delete", space),
        *claims("", "secrets", "get list watch create patch delete", space),
        *claims("", "persistentvolumeclaims", "get list watch delete", space),
        *claims("", "pods", "get list watch create delete", space),
        *claims("", "pods/exec", "get create", space),
        *claims("", "services", "get list watch", space),
        *claims("apps", "statefulsets", "get list patch", space),
        *claims("apps", "deployments", "get patch", space),
        *claims("batch", "jobs", "get list delete", space),
        *explained(space),
    ]
    if options.by == "git":
        found += claims("", "configmaps", "get create patch delete", options.life.partition("/")[0])
    return found + (claims("", "nodes", "list") if options.expose == "nodeport" else [])

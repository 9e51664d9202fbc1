"""What the probe has to be allowed to do in a cluster that somebody else raised. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ephemeral_castle.model.castle import Verb
from ephemeral_castle.probes.kubernetes.options import KubernetesOptions
from ephemeral_castle.probes.kubernetes.pods import SPACE
from ephemeral_castle.probes.kubernetes.webhooks import BUILT_IN
from ephemeral_castle.spi.claims import Claim, claims, explained
from ephemeral_castle.spi.driver import Request

ASKS = (Verb.REBIRTH, Verb.RAISE, Verb.DRILL)


def wanted(options: KubernetesOptions, request: Request) -> Sequence[Claim]:
    """A namespace of its own with pods; with `webhooks`, a dry run of what stands there, of Kubernetes' own kinds.

    Which kinds of CRDs webhooks judge stands in the cluster: `list` and `patch` of those are not claimed.
    """
    if request.verb not in ASKS:
        return []
    found = [
        *claims("", "namespaces", "get list watch create patch delete"),
        *claims("", "nodes", "list"),
        *claims("", "serviceaccounts", "get list watch", SPACE),
        *claims("", "services", "create patch", SPACE),
        *claims("", "pods", "get list watch create patch", SPACE),
        *claims("", "pods/exec", "get create", SPACE),
        *explained(SPACE),
    ]
    if options.claim:
        found += [*claims("storage.k8s.io", "storageclasses", "list"),
                  *claims("", "persistentvolumeclaims", "create patch", SPACE)]  # fmt: skip
    if options.webhooks:
        found += claims("admissionregistration.k8s.io", "validatingwebhookconfigurations mutatingwebhookconfigurations",
                        "list")  # fmt: skip
        found += claims("apiextensions.k8s.io", "customresourcedefinitions", "list")
        for group, resource in BUILT_IN:
            found += claims(group, resource, "list patch")
    return found

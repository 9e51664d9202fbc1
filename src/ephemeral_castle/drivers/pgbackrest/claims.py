"""What the driver has to be allowed to do. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ephemeral_castle.drivers.pgbackrest.living import GROUP
from ephemeral_castle.drivers.pgbackrest.objects import space
from ephemeral_castle.drivers.pgbackrest.options import PgbackrestOptions
from ephemeral_castle.model.castle import Layer, Verb
from ephemeral_castle.spi.claims import Claim, claims, explained
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.marks import DRILL


def wanted(layer: Layer, options: PgbackrestOptions, request: Request) -> Sequence[Claim]:
    """Of the living database reading alone; making and removing in the drill's namespace only."""
    found = [
        *claims(GROUP, "postgresclusters", "get", options.namespace),
        *claims("", "pods persistentvolumeclaims", "list", options.namespace),
    ]
    if request.verb is not Verb.DRILL:
        return found
    own = space(request.castle.name.removesuffix(DRILL), layer.id)
    return [
        *found,
        *claims("", "secrets configmaps", "get", options.namespace),
        *claims("storage.k8s.io", "storageclasses", "get"),
        *claims("", "namespaces", "get list watch create patch delete"),
        *claims("networking.k8s.io", "networkpolicies", "get create patch", own),
        *claims("", "secrets configmaps persistentvolumeclaims", "get create patch", own),
        *claims("", "pods", "get list watch create", own),
        *claims("", "pods/exec", "get create", own),
        *explained(own),
    ]

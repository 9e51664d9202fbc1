"""What the driver has to be allowed to do in a cluster that somebody else raised. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ephemeral_castle.drivers.cert_manager.options import CertManagerOptions
from ephemeral_castle.drivers.cert_manager.steps import RAISING
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.claims import Claim, claims, explained
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.ways import raised_here


def wanted(options: CertManagerOptions, request: Request) -> Sequence[Claim]:
    """Secrets are written ahead of the Certificates, which are read."""
    if request.verb not in RAISING or (request.verb is Verb.DRILL and not raised_here(request)):
        return []
    found = claims("", "namespaces", "get create patch")
    for space in dict.fromkeys(each.namespace for each in options.carried):
        found += claims("", "secrets", "get create patch", space)
        found += claims("cert-manager.io", "certificates", "get list watch", space)
        found += explained(space)
    return found

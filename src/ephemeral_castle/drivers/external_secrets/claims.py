"""What the driver has to be allowed to do in a cluster that somebody else raised. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ephemeral_castle.drivers.external_secrets.options import ExternalSecretsOptions
from ephemeral_castle.drivers.external_secrets.steps import RAISING
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.claims import Claim, claims, explained
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.ways import raised_here

GROUP = "external-secrets.io"


def wanted(options: ExternalSecretsOptions, request: Request) -> Sequence[Claim]:
    """Stores and ExternalSecrets are asked by an annotation, the Secrets they make are compared by key."""
    if request.verb is Verb.DRILL and not raised_here(request):
        return []
    found: list[Claim] = []
    if options.cipher is not None and request.verb is Verb.REBIRTH:
        found += claims("", "secrets", "get", options.cipher.secret.partition("/")[0])
    if request.verb in RAISING:
        store, slash, _ = options.store.partition("/")
        kind, space = ("secretstores", store) if slash else ("clustersecretstores", "")
        found += claims(GROUP, kind, "get list watch patch", space)
        found += claims(GROUP, "externalsecrets", "get list watch patch", space)
        found += claims("", "secrets", "get", space) + explained(space)
    return found

"""What the driver has to be allowed to do in a cluster that somebody else raised. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ephemeral_castle.drivers.postgres.options import PostgresOptions
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.claims import Claim, claims, explained
from ephemeral_castle.spi.driver import Request

ALL = "get list create patch delete"
WATCHED = f"{ALL} watch"


def wanted(options: PostgresOptions, request: Request) -> Sequence[Claim]:
    """Nothing where the database is at home on machines, or where a drill leaves it alone.

    Whatever the verb, a database that was ended without castle's word is started again to be looked at.
    """
    if options.namespace is None or request.verb is Verb.DRILL:
        return []
    space = options.namespace
    found = [
        *claims("", "namespaces", "get create patch"),
        *claims("apps", "statefulsets deployments", ALL, space),
        *claims("", "secrets persistentvolumeclaims", ALL, space),
        *claims("", "services", WATCHED if options.expose == "loadbalancer" else ALL, space),
        *claims("", "pods", WATCHED, space),
        *claims("", "pods/exec", "get create", space),
        *claims("", "persistentvolumes", ALL if options.node else "list"),
        *explained(space),
    ]
    nodes = options.expose == "nodeport" or (options.node and request.abandon_data)
    return found + (claims("", "nodes", "list") if nodes else [])

"""What a database on Kubernetes stands on: a cluster that castle raises on its own machines, or one that was there."""

from __future__ import annotations

from ephemeral_castle.errors import Permanent, Refused
from ephemeral_castle.model.castle import Layer, Role, Verb
from ephemeral_castle.spi import ways
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.ways import raised_here

LONGEST = 52  # a StatefulSet's pods carry a label of its name with `-` and a hash of ten behind it


def check(layer: Layer, request: Request) -> None:
    """Refuses a plan that has nothing to stand on.

    Raises:
        Permanent: the site has no cluster, or the layer's id is too long to name what stands there.
        Refused: its pods could not reach the treasury; or a drill in a cluster that castle does not raise, where its
            database would stand in the living one's place.
    """
    if not any(each.role is Role.FOUNDATIONS for each in request.site.layers):
        raise Permanent(
            f"layer `{layer.id}` is at home on Kubernetes, and site `{request.site.name}` has no cluster",
            where=layer.position,
            hints=["add a layer of role `foundations`, or name its machines instead of its `namespace`"],
        )
    if layer.driver == "postgres" and len(layer.id) > LONGEST:  # PGO names by its own `cluster`
        raise Permanent(
            f"the id of layer `{layer.id}` is too long for a database on Kubernetes",
            where=layer.position,
            why=f"it has {len(layer.id)} characters; what stands there bears it in names and labels, which end at 63",
            state="nothing was changed",
            hints=[f"give it an id of at most {LONGEST} characters", "castle plan"],
        )
    ways.check(layer, request)
    if request.verb is Verb.DRILL and not raised_here(request):
        raise Refused(
            f"a drill cannot bring database `{layer.id}` back beside the living one",
            where=layer.position,
            why="castle does not raise the cluster that it lives in, and so can raise no second one for it",
            state="nothing was changed",
            hints=["castle restore --side"],
        )

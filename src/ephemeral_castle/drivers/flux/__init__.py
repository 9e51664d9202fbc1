"""Flux: the castle's Git repository, applied to the cluster by Flux' own controllers, at the revision of the run."""

from ephemeral_castle.drivers.flux.driver import FluxDriver

__all__ = ["FluxDriver"]

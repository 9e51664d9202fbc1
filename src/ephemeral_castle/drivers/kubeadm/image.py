"""The image of the load balancer before the API servers."""

from __future__ import annotations

from ephemeral_castle.spi.world import Recipe

ENDPOINT = Recipe(name="haproxy", packages=("haproxy",))

"""Which image the machines of a layer are made from."""

from __future__ import annotations

from ephemeral_castle.drivers.podman.image import MACHINE
from ephemeral_castle.drivers.podman.image_kubernetes import KUBERNETES
from ephemeral_castle.drivers.podman.options import PodmanOptions
from ephemeral_castle.spi.world import Recipe


def recipe_of(options: PodmanOptions) -> Recipe:
    """The recipe that the option `image` names."""
    return KUBERNETES if options.image == "kubernetes" else MACHINE

"""Machines as podman containers on this computer: a whole Debian each, carrying services of their own."""

from ephemeral_castle.drivers.podman.driver import PodmanDriver

__all__ = ["PodmanDriver"]

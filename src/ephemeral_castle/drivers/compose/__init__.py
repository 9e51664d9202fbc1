"""Compose projects on machines: the files of the castle's repository, run there by podman-compose."""

from ephemeral_castle.drivers.compose.driver import ComposeDriver

__all__ = ["ComposeDriver"]

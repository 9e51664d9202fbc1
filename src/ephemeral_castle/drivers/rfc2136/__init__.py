"""Driver `rfc2136`: names in a zone that takes dynamic updates, switched to each new life of a castle."""

from ephemeral_castle.drivers.rfc2136.driver import Rfc2136Driver

__all__ = ["Rfc2136Driver"]

"""Driver `restic`: a tree of files in a volume, backed up, proven and brought home with restic."""

from ephemeral_castle.drivers.restic.driver import ResticDriver

__all__ = ["ResticDriver"]

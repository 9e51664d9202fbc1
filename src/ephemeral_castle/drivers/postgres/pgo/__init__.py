"""A PostgreSQL that CrunchyData's operator (PGO) runs: the driver `postgres` in a place where castle starts nothing."""

from ephemeral_castle.drivers.postgres.pgo.driver import PgoDriver

__all__ = ["PgoDriver"]

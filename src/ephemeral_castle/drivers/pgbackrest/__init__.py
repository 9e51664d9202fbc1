"""A database that others run in a cluster, and its pgBackRest repository: rehearsed, never sealed and never wiped."""

from ephemeral_castle.drivers.pgbackrest.driver import PgbackrestDriver

__all__ = ["PgbackrestDriver"]

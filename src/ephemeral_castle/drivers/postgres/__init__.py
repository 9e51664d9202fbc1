"""A PostgreSQL with pgBackRest in a container of its own on one machine, and PgBouncer on another."""

from ephemeral_castle.drivers.postgres.driver import PostgresDriver

__all__ = ["PostgresDriver"]

"""Unit tests of the pure PostgreSQL package."""

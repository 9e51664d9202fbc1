"""What is true of PostgreSQL and pgBackRest on every site: pure functions and data, shared by the drivers."""

"""A stand-in for CrunchyData's PostgreSQL operator. README.md says what it does and what it leaves out."""

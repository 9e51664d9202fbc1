"""Ephemeral Castle: a whole infrastructure back from a bucket, a repository and a passphrase, proven."""

__version__ = "0.1.0"  # written by hand: importlib.metadata costs 40 ms at every start of the command

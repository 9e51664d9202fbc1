"""Plays the External Secrets Operator: stores and ExternalSecrets, from a real OpenBao. See README.md beside it."""

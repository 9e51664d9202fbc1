"""Judges manifests as the API server would: custom resources by their CRD's schema, built-in kinds by OpenAPI. Pure."""

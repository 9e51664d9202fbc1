"""Tests against a real API server. Marker `kubernetes`."""

"""Kubernetes manifests, pure: what an object says of itself, and when that means that it is ready."""

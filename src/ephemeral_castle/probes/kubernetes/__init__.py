"""Probe `kubernetes-probe`: what pods see, and whether the API server takes what it is given."""

from ephemeral_castle.probes.kubernetes.driver import KubernetesProbe

__all__ = ["KubernetesProbe"]

"""A Kubernetes cluster that somebody else raises and wipes, reached by a context of a kubeconfig."""

from ephemeral_castle.drivers.kubeconfig.driver import KubeconfigDriver

__all__ = ["KubeconfigDriver"]

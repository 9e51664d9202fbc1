"""Kubernetes by stock kubeadm on the castle's machines: a new cluster, with keys of its own, in each life."""

from ephemeral_castle.drivers.kubeadm.driver import KubeadmDriver

__all__ = ["KubeadmDriver"]

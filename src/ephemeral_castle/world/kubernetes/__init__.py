"""The Kubernetes API: requests, watches, commands in pods."""

from ephemeral_castle.world.kubernetes.cluster import HttpCluster as HttpCluster

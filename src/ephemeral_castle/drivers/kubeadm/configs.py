"""kubeadm's configuration documents: pure.

Sources: the API references of kubeadm.k8s.io/v1beta4, kubelet.config.k8s.io/v1beta1, kubeproxy.config.k8s.io/v1alpha1.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.drivers.kubeadm import scripts
from ephemeral_castle.drivers.kubeadm.layout import PORT, Node
from ephemeral_castle.drivers.kubeadm.options import KubeadmOptions

API = "kubeadm.k8s.io/v1beta4"
# The one exception: it judges the kernel of this computer, and refuses control groups of version 1.
IGNORED = ["SystemVerification"]
LIFETIME = "87600h"  # keys are born and die with a life, so nothing renews them within one
DOMAIN = "cluster.local"


@dataclass(frozen=True)
class Place:
    """Where a cluster stands. `name`: of the castle; `server`: HOST:PORT for all nodes; `address`: of this node."""

    name: str
    server: str
    address: str
    gateway: str


def init(options: KubeadmOptions, node: Node, place: Place) -> str:
    """For the birth of the cluster on its first node. `@TOKEN@` is filled in on the machine."""
    birth: dict[str, Any] = {
        "apiVersion": API,
        "kind": "InitConfiguration",
        "bootstrapTokens": [{"token": "@TOKEN@", "ttl": "1m"}],
        "localAPIEndpoint": {"advertiseAddress": place.address, "bindPort": PORT},
        "nodeRegistration": _registration(node, place, alone=not options.workers),
        "patches": {"directory": scripts.PATCHES},
        "skipPhases": ["addon/coredns", "show-join-command"],
    }
    return _documents(birth, _cluster(options, place), _kubelet(), _proxy())


def join(node: Node, place: Place, token: str, ca_hash: str) -> str:
    """For a node that joins.

    Args:
        node: the node.
        place: where the cluster stands.
        token: a fresh bootstrap token.
        ca_hash: `sha256:...` over the public key of the CA that must have signed for the server.
    """
    found = {"token": token, "apiServerEndpoint": place.server, "caCertHashes": [ca_hash]}
    document: dict[str, Any] = {
        "apiVersion": API,
        "kind": "JoinConfiguration",
        "discovery": {"bootstrapToken": found, "tlsBootstrapToken": token},
        "nodeRegistration": _registration(node, place),
        "patches": {"directory": scripts.PATCHES},
    }
    if node.control:
        document["controlPlane"] = {"localAPIEndpoint": {"advertiseAddress": place.address, "bindPort": PORT}}
    return _documents(document)


def _registration(node: Node, place: Place, *, alone: bool = False) -> dict[str, Any]:
    """`alone`: no worker will ever come, so the control plane must carry everything."""
    return {
        "name": node.name,
        "criSocket": f"unix://{scripts.SOCKET}",
        "imagePullPolicy": "IfNotPresent",
        "imagePullSerial": False,
        "ignorePreflightErrors": IGNORED,
        "kubeletExtraArgs": _arguments({"node-ip": place.address}),
        **({"taints": []} if alone else {}),
    }


def _cluster(options: KubeadmOptions, place: Place) -> dict[str, Any]:
    # A leader is elected where there are several; alone, one that came back would wait for its own old lease.
    elect = "true" if len(options.control) > 1 else "false"
    return {
        "apiVersion": API,
        "kind": "ClusterConfiguration",
        "clusterName": place.name,
        "kubernetesVersion": options.version,
        "controlPlaneEndpoint": place.server,
        "networking": {"podSubnet": options.pods, "serviceSubnet": options.services, "dnsDomain": DOMAIN},
        "encryptionAlgorithm": "ECDSA-P256",
        "caCertificateValidityPeriod": LIFETIME,
        "certificateValidityPeriod": LIFETIME,
        "apiServer": {
            "certSANs": ["127.0.0.1", "localhost", place.gateway],
            "extraArgs": _arguments({"encryption-provider-config": scripts.ENCRYPTION}),
        },
        "controllerManager": {
            "extraArgs": _arguments(
                {
                    "allocate-node-cidrs": "false",  # ranges are castle's, known before the first node is there
                    "leader-elect": elect,
                    "node-monitor-period": "2s",
                    "node-monitor-grace-period": "12s",
                    "kube-api-qps": "200",  # each of its controllers makes an account first: at 20 a second, 5 s
                    "kube-api-burst": "400",
                }
            )
        },
        "scheduler": {"extraArgs": _arguments({"leader-elect": elect})},
    }


def _kubelet() -> dict[str, Any]:
    """Machines share disk and kernel with their computer: its free space is none of the kubelet's business."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "maxOpenFiles": 1024,
        "nodeLeaseDurationSeconds": 12,
        "serializeImagePulls": False,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
    }


def _proxy() -> dict[str, Any]:
    """`conntrack`: its size is a setting of the computer."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "nftables": {"minSyncPeriod": "100ms"},
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "oomScoreAdj": 0,
    }


def _arguments(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def _documents(*documents: dict[str, Any]) -> str:
    """Several in one text. JSON is YAML."""
    return "---\n".join(json.dumps(document, indent=1) + "\n" for document in documents)

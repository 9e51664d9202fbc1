"""The files that make a machine a node: pure."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping

from ephemeral_castle.drivers.kubeadm import scripts
from ephemeral_castle.drivers.kubeadm.layout import Node
from ephemeral_castle.drivers.kubeadm.options import KubeadmOptions
from ephemeral_castle.spi.world import File


def node_files(node: Node, options: KubeadmOptions, routes: Mapping[str, str], mirror: str, init: str) -> list[File]:
    """What every node is given; nothing of it is secret.

    Args:
        node: the node.
        options: of the layer.
        routes: address that each other node's range of pods is reached by.
        mirror: URL of the registry that all images are pulled from, or "".
        init: kubeadm's configuration for the birth of the cluster; used on the first node alone.
    """
    programs = f"{options.programs}:" if options.programs else ""
    texts = {
        "etc/castle/programs": (programs, 0o644),
        "etc/castle/node": (scripts.PROGRAM, 0o755),
        "etc/castle/boot": (boot(node, options, routes), 0o755),
        "etc/castle/reset.yaml": (RESET, 0o644),
        "etc/castle/services/containerd": (scripts.CONTAINERD, 0o755),
        "etc/castle/services/kubelet": (scripts.KUBELET, 0o755),
        "etc/containerd/config.toml": (scripts.CONTAINERD_TOML, 0o644),
        "etc/cni/net.d/10-castle.conflist": (cni(node), 0o644),
        "etc/containerd/certs.d/_default/hosts.toml": (hosts(mirror), 0o644),
        **({"etc/castle/init.yaml": (init, 0o644)} if node.first else {}),
    }
    return [
        File(path, text.encode(), mode) for path, (text, mode) in texts.items() if text or path.endswith("programs")
    ]


def boot(node: Node, options: KubeadmOptions, routes: Mapping[str, str]) -> str:
    """Run at every start of the machine: routes to the pods of other machines, and the way out for its own.

    Pods have addresses that only nodes know. Whatever else they ask sees the machine's address instead.

    A machine that podman starts again may keep the rules of its former start, which no real machine does. kube-proxy
    1.36 that begins with rules of its own there leaves the map of all services empty, and says nothing.
    """
    ways = "".join(f"ip route replace {pods} via {address}\n" for pods, address in routes.items())
    return f"""\
#!/bin/sh
echo 1 > /proc/sys/net/ipv4/ip_forward
{ways}\
pgrep -x kube-proxy > /dev/null || nft -f - << 'LEFT'
table ip kube-proxy
delete table ip kube-proxy
table ip6 kube-proxy
delete table ip6 kube-proxy
LEFT
nft -f - << 'RULES'
table ip castle
delete table ip castle
table ip castle {{
  chain out {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {node.pods} ip daddr != {options.pods} masquerade
  }}
}}
RULES
"""


def cni(node: Node) -> str:
    """One network of pods, by the plugins of Debian.

    `ptp` routes every packet. With `bridge`, an answer from a pod to its neighbour would pass the rules of services
    only where the kernel lets bridges call them: a setting of the computer, which is not castle's to make.
    """
    ipam = {"type": "host-local", "ranges": [[{"subnet": node.pods}]], "routes": [{"dst": "0.0.0.0/0"}]}
    plugins = [
        {"type": "ptp", "ipMasq": False, "ipam": ipam},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return json.dumps({"cniVersion": "1.0.0", "name": "castle", "plugins": plugins}, indent=1) + "\n"


def hosts(mirror: str) -> str:
    """Every image from the mirror, under its own name: it is asked for `PATH` of `HOST` as `/v2/PATH?ns=HOST`."""
    if not mirror:
        return ""
    return f'server = "{mirror}"\n[host."{mirror}"]\n  capabilities = ["pull", "resolve"]\n'


RESET = json.dumps(
    {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ResetConfiguration",
        "criSocket": f"unix://{scripts.SOCKET}",
        "force": True,
        "timeouts": {"kubernetesAPICall": "5s"},
    }
)


def digest(files: list[File]) -> str:
    """Sixteen hex digits over names, modes and contents."""
    whole = hashlib.sha256()
    for file in sorted(files, key=lambda each: each.path):
        whole.update(f"{file.path}\0{file.mode:o}\0{len(file.content)}\0".encode() + file.content)
    return whole.hexdigest()[:16]


def packed(files: list[File]) -> bytes:
    """A tar archive, for standard input."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file in files:
            entry = tarfile.TarInfo(file.path)
            entry.size, entry.mode = len(file.content), file.mode
            archive.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()

"""Options of the driver `kubeadm`."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from ephemeral_castle.spi.names import split_server
from ephemeral_castle.spi.options import MachineName, Options, refusal
from ephemeral_castle.spi.units import Duration

HERE = "here"
NODE_PREFIX = 24  # of the range of pods on one machine
LARGEST_SERVICES = 12  # the API server takes no more than 2^20 addresses of services
_VERSION = re.compile(r"v1\.[1-9][0-9]{0,2}\.[0-9]{1,3}")
_NODE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # kubeadm refuses others, when the old life is gone
_MIRROR = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?|https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")


def _version(text: str) -> str:
    if not _VERSION.fullmatch(text):
        raise refusal("is no version of Kubernetes", "write it like `v1.36.3`")
    return text


def _programs(path: str) -> str:
    if path and not re.fullmatch(r"(/[A-Za-z0-9._-]+)+", path):
        raise refusal("is no absolute path on the machines", "write it like `/opt/kubernetes`, or `` for their PATH")
    return path


def _network(text: str) -> str:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        raise refusal("is not an IPv4 subnet", "write it like `10.244.0.0/16`") from None
    if not network.is_private:
        raise refusal("is a public network", "use one of RFC 1918, like `10.244.0.0/16`")
    return text


def _pods(text: str) -> str:
    if ipaddress.IPv4Network(_network(text)).prefixlen > NODE_PREFIX:
        raise refusal(f"has no range for a machine: each gets a /{NODE_PREFIX}", "use a larger one: `10.244.0.0/16`")
    return text


def _services(text: str) -> str:
    if not LARGEST_SERVICES <= ipaddress.IPv4Network(_network(text)).prefixlen <= NODE_PREFIX:
        raise refusal("is too large or too small for services", "use /12 to /24, like `10.96.0.0/16`")
    return text


def _endpoint(text: str) -> str:
    if text == HERE:
        return text
    try:
        _, port = split_server(text)
    except ValueError:
        port = 0
    if not port or ":" not in text:
        raise refusal("is neither `here` nor HOST:PORT", "write `here`, or where a load balancer of yours answers")
    return text


def _mirror(text: str) -> str:
    if text and not _MIRROR.fullmatch(text):
        raise refusal("is neither a name of `reach` nor a URL", "write `registry`, or `https://HOST[:PORT]`")
    return text


def _address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise refusal("is no address of a name server", "write it like `192.168.1.1`") from None
    return text


class KubeadmOptions(Options):
    """A cluster on the castle's machines. Its nodes bear the names of the machines."""

    control: tuple[MachineName, ...] = Field(
        min_length=1, description="machines of the control plane: one, or an odd number", examples=[["control"]]
    )
    workers: tuple[MachineName, ...] = Field(
        default=(), description="machines that join it; the first one is waited for first", examples=[["data", "edge"]]
    )
    version: Annotated[str, AfterValidator(_version)] = Field(
        default="v1.36.3", description="version of Kubernetes; kubeadm and kubelet on the machines must be of it"
    )
    programs: Annotated[str, AfterValidator(_programs)] = Field(
        default="", description="directory of the machines with kubeadm and kubelet; empty: on their PATH",
        examples=["/opt/kubernetes"],
    )  # fmt: skip
    mirror: Annotated[str, AfterValidator(_mirror)] = Field(
        default="", description="registry that every image is pulled from, under its own name: a name of the site's "
        "`reach`, or a URL; empty: from where the names say", examples=["registry"],
    )  # fmt: skip
    endpoint: Annotated[str, AfterValidator(_endpoint)] = Field(
        default=HERE, description="where the API server is reached: `here` (HAProxy beside the machines), or HOST:PORT "
        "of a load balancer of yours", examples=["k8s.example.org:6443"],
    )  # fmt: skip
    pods: Annotated[str, AfterValidator(_pods)] = Field(
        default="10.244.0.0/16", description="IPv4 network of pods; each machine gets a /24 of it"
    )
    services: Annotated[str, AfterValidator(_services)] = Field(
        default="10.96.0.0/16", description="IPv4 network of services"
    )
    forward: tuple[Annotated[str, AfterValidator(_address)], ...] = Field(
        default=(), description="name servers that the cluster asks for names outside of it", examples=[["192.168.1.1"]]
    )
    timeout: Duration = Field(default=300.0, description="longest time for one machine to join, images included")

    @model_validator(mode="after")
    def _machines(self) -> Self:
        names = [*self.control, *self.workers]
        twice = next((name for name in names if names.count(name) > 1), "")
        if twice:
            raise refusal(f"machine `{twice}` is named twice", "each machine is one node")
        unfit = next((name for name in names if not _NODE.fullmatch(name)), "")
        if unfit:
            raise refusal(
                f"machine `{unfit}` cannot be a node: its name would be no DNS label (RFC 1123)",
                "name it in lower-case letters, digits and inner `-`, at most 63: `data-1`",
            )
        if len(self.control) % 2 == 0:
            raise refusal(
                f"a control plane of {len(self.control)} stops when any of them is lost", "use one, three or five"
            )
        return self

    @model_validator(mode="after")
    def _networks(self) -> Self:
        pods, services = ipaddress.IPv4Network(self.pods), ipaddress.IPv4Network(self.services)
        if pods.overlaps(services):
            raise refusal("`pods` and `services` overlap", "write two networks that share no address")
        if len(self.control) + len(self.workers) > 1 << (NODE_PREFIX - pods.prefixlen):
            raise refusal("`pods` has too few ranges for these machines", "use a larger network, like `10.244.0.0/16`")
        return self

"""Options of the probe `kubernetes-probe`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from ephemeral_castle.spi.options import Options, refusal
from ephemeral_castle.spi.units import Duration

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SERVICE = re.compile(rf"{_LABEL}/{_LABEL}:[1-9][0-9]{{0,4}}")


def _service(text: str) -> str:
    if _SERVICE.fullmatch(text) and int(text.rpartition(":")[2]) <= 65535:
        return text
    raise refusal("a service is named NAMESPACE/NAME:PORT", "such as `blog/blog:80`")


class KubernetesOptions(Options):
    """A pod on every node asks for names and services; the storage class and webhooks are tried."""

    services: list[Annotated[str, AfterValidator(_service)]] = Field(
        default=[],
        description="services that must answer every node's pod, by their names",
        examples=[["blog/blog:80"]],
    )
    claim: bool = Field(
        default=False, description="whether a volume claim that names no storage class must get its volume"
    )
    webhooks: bool = Field(
        default=True, description="whether webhooks that judge changes must let a dry run of what stands there pass"
    )
    image: str = Field(default="docker.io/library/busybox:1.35.0", description="image with sh, nslookup, nc and httpd")
    domain: str = Field(default="cluster.local", description="domain of the cluster's names")
    # kube-proxy tries again 30 s after a change that nftables refused, as it does to one that was just started anew
    timeout: Duration = Field(default=120.0, description="longest wait for all of it")

"""Options of the driver `kubeconfig`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from ephemeral_castle.spi.names import split_server
from ephemeral_castle.spi.options import Options, refusal

_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ASK = "kubectl get namespace kube-system -o jsonpath={.metadata.uid}"


def _uid(text: str) -> str:
    if not _UID.fullmatch(text):
        raise refusal("is no uid of a cluster", f"`{ASK}` prints it")
    return text


def _server(text: str) -> str:
    try:
        if text:
            split_server(text)
    except ValueError:
        raise refusal("is no ADDRESS:PORT", "write it like `192.168.1.10:9000`") from None
    return text


class KubeconfigOptions(Options):
    """A cluster that castle neither raises nor wipes. What of it is castle's is known by marks alone."""

    context: str = Field(min_length=1, description="context of the kubeconfig", examples=["home"])
    uid: Annotated[str, AfterValidator(_uid)] = Field(
        description="which cluster that must be: the uid of its namespace kube-system, as `castle adopt` writes it. "
        "A context that leads to another cluster is refused",
    )
    treasury: Annotated[str, AfterValidator(_server)] = Field(
        default="", description="where pods find the treasury, as ADDRESS:PORT, or NAME:PORT of a name that their "
        "own DNS knows and its certificate bears; empty: at its `endpoint`",
        examples=["192.168.1.10:9000"],
    )  # fmt: skip
    file: str = Field(
        default="", description="kubeconfig file, or several joined by `:`, relative to the definition; empty: as "
        "kubectl finds them (`KUBECONFIG`, else `~/.kube/config`)", examples=["castle.kubeconfig"],
    )  # fmt: skip

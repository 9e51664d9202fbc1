"""The look at a cluster that is there: which one it is, which version, and what we may do in it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from ephemeral_castle.drivers.kubeconfig.options import ASK, KubeconfigOptions
from ephemeral_castle.errors import Permanent, Refused
from ephemeral_castle.spi.claims import Claim, review
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.kubernetes import Cluster, ClusterAccess, Ref

SYSTEM = Ref("v1", "Namespace", "kube-system")
OLDEST = (1, 30)  # commands in pods by WebSocket, and admission policies, are there since
TRIED = (1, 36)
AT_ONCE = 8  # questions
UNTOUCHED = "nothing was changed"


def access(ctx: Context) -> ClusterAccess:
    """Server and key, read from the kubeconfig now; raises as `World.kubeconfig` does."""
    options: KubeconfigOptions = ctx.options
    return ctx.world.kubeconfig(options.file, options.context, str(PurePath(ctx.request.castle.path).parent))


async def identity(cluster: Cluster, options: KubeconfigOptions) -> str:
    """The uid of the cluster, which is the one that is meant.

    Raises:
        Refused: it is another one.
    """
    found = await cluster.get(SYSTEM)
    uid = str((found or {}).get("metadata", {}).get("uid", ""))
    if uid == options.uid:
        return uid
    raise Refused(
        f"context `{options.context}` leads to another cluster",
        where=cluster.server,
        why=f"its namespace kube-system has the uid {uid or '(none)'}, and the definition means {options.uid}",
        state=UNTOUCHED,
        hints=[
            "kubectl config get-contexts",
            f"if a new cluster is meant to carry the castle, write its `uid`: {ASK}",
        ],
    )


def minor(version: str) -> tuple[int, int]:
    """`v1.36.3+k3s1` as (1, 36); (0, 0) for what is no version."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def too_old(version: str) -> Permanent | None:
    """Why castle cannot work with a server of this version; None when it can."""
    if minor(version) >= OLDEST:
        return None
    wanted = ".".join(map(str, OLDEST))
    return Permanent(
        f"Kubernetes {version or 'of an unknown version'} is too old",
        why=f"castle enters pods and guards data in ways that API servers have since {wanted}",
        state=UNTOUCHED,
        hints=[f"upgrade the cluster to {wanted} or newer", "castle doctor"],
    )


def untried(version: str) -> str:
    """A word of warning where this version was not tried; or ""."""
    tried = ".".join(map(str, TRIED))
    return "" if minor(version) == TRIED else f"Kubernetes {version}: castle was tried with {tried} alone"


async def missing(cluster: Cluster, wanted: Iterable[Claim]) -> list[Claim]:
    """What of it we may not do. The API server is asked, with a question for each."""
    gate = asyncio.Semaphore(AT_ONCE)
    claims = sorted(set(wanted))

    async def allowed(claim: Claim) -> bool:
        async with gate:
            said = await cluster.create(review(claim))
        return bool((said.get("status") or {}).get("allowed"))

    answers = await asyncio.gather(*(allowed(claim) for claim in claims))
    return [claim for claim, yes in zip(claims, answers, strict=True) if not yes]


def denied(lacking: Sequence[Claim], options: KubeconfigOptions) -> Refused:
    """The error for rights that are missing; it names each."""
    return Refused(
        f"the key of context `{options.context}` may not do what castle would have to",
        why=f"{len(lacking)} missing: " + "; ".join(map(str, lacking)),
        state=UNTOUCHED,
        hints=["castle adopt --rbac | kubectl apply -f -, by somebody who may, then bind it to castle's account"],
    )

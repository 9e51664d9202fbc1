"""What no raise can change of a cluster that stands: its version, the way to it, the ranges of pods of its nodes."""

from __future__ import annotations

from ephemeral_castle.drivers.kubeadm.former import recorded
from ephemeral_castle.drivers.kubeadm.part import Part
from ephemeral_castle.errors import Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.kubernetes import Cluster


async def check(part: Part, cluster: Cluster) -> None:
    """Looks, where this run raises on the cluster that stands; every other one is made anew, or left alone.

    Raises:
        Refused: the definition wants another version, or gives a living node another range.
    """
    if not _stays(part):
        return
    await version(part, cluster)
    await _ranges(part, cluster)


def _stays(part: Part) -> bool:
    return part.ctx.request.verb is Verb.RAISE and part.ctx.life == part.ctx.old_life


def endpoint(part: Part) -> None:
    """Certificates and nodes name the way that they were given at birth.

    Raises:
        Refused: this run raises on the cluster that stands, and the definition names another.
    """
    there = recorded(part.ctx, part.ctx.life).get("endpoint") if _stays(part) else None
    wanted = part.options.endpoint
    if there and there != wanted:
        raise _refusal(
            part,
            f"the cluster `{part.layer}` was born behind `{there}`, and `endpoint` says `{wanted}`",
            "its nodes know its API servers by that way alone: another one comes with the next rebirth",
            f"write `endpoint: {there}`",
        )


async def version(part: Part, cluster: Cluster) -> None:
    """Raises Refused: the API server is of another version than the definition wants."""
    there, wanted = await cluster.version(), part.options.version
    if there != wanted:
        raise _refusal(
            part,
            f"the cluster `{part.layer}` is of version {there}, and `version` says {wanted}",
            "a life keeps the version that its cluster was born with: another version comes with the next rebirth",
            f"write `version: {there}`",
        )


async def _ranges(part: Part, cluster: Cluster) -> None:
    """Routes and networks of all nodes would be written anew, while `podCIDR` and living pods keep what they have."""
    listed = await cluster.list("v1", "Node")
    found = {each["metadata"]["name"]: (each.get("spec") or {}).get("podCIDR") for each in listed}
    moved = next((node for node in part.nodes if found.get(node.name) not in (None, "", node.pods)), None)
    if moved is not None:
        raise _refusal(
            part,
            f"machine `{moved.name}` would get another range of pods in the cluster `{part.layer}` that stands",
            f"it has {found[moved.name]}, and by its place in `control` and `workers` it would be {moved.pods}",
            "add new machines at the end of `workers` only",
        )


def _refusal(part: Part, message: str, why: str, hint: str) -> Refused:
    return Refused(
        message,
        where=f"layer {part.layer}",
        why=why,
        state="nothing was changed; the cluster stands as it was",
        hints=[hint, "castle rebirth, which makes a new cluster by the definition"],
    )

"""Objects of a cluster that stays, on their way out: listed with their uid, and deleted by it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from ephemeral_castle.manifests.ready import absent
from ephemeral_castle.spi.kubernetes import Cluster, Manifest, Ref


def entry(found: Manifest, api: str = "", kind: str = "") -> dict[str, Any]:
    """What the inventory keeps of an object. `api`, `kind`: of one from a list, whose items come without them."""
    ref = Ref.of({"apiVersion": api, "kind": kind, **found})
    ident = found["metadata"]["uid"]
    return {"kind": ref.kind, "api": ref.api, "id": ident, "name": ref.name, "namespace": ref.namespace}


async def left(cluster: Cluster, listed: Iterable[Mapping[str, Any]]) -> list[Manifest]:
    """What is still there of an inventory, and still the same object."""
    items = list(listed)
    refs = [Ref(item["api"], item["kind"], item["name"], item["namespace"]) for item in items]
    wanted = {str(item["id"]) for item in items}
    found = await asyncio.gather(*(cluster.get(ref) for ref in refs))
    return [each for each in found if each is not None and each["metadata"]["uid"] in wanted]


def told(left: Iterable[Manifest]) -> str:
    """What is still there, and what holds it: the controller of a finalizer may be dead."""
    return "still there: " + ", ".join(f"{Ref.of(each)} ({absent(each).why})" for each in left)

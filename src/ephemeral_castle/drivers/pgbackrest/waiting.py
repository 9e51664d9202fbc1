"""What a drill's pod and namespace say. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.pgbackrest.objects import SERVER
from ephemeral_castle.spi.kubernetes import Manifest, Readiness, Stage


def judged(pod: Manifest | None) -> Readiness:
    """Judges whether its server runs; whether that answers is for it to say."""
    if pod is None:
        return Readiness(Stage.WAITING, "its pod is not made yet")
    failed = _failed(pod)
    if failed:
        return Readiness(Stage.FAILED, failed)
    if serving(pod):
        return Readiness(Stage.READY)
    return Readiness(Stage.WAITING, _waits(pod) or str(pod.get("status", {}).get("phase", "")))


def serving(pod: Manifest) -> bool:
    """Whether the container of the server runs."""
    return any(each["name"] == SERVER and "running" in each.get("state", {}) for each in _containers(pod))


def gone(found: Manifest | None) -> Readiness:
    """Judges whether it is no more."""
    if found is None:
        return Readiness(Stage.READY)
    stuck = [
        f"{each.get('type')}: {each.get('message', '')}"
        for each in found.get("status", {}).get("conditions", ())
        if each.get("status") == "True"
    ]
    return Readiness(Stage.WAITING, "; ".join(stuck) or "it is still there")


def _failed(pod: Manifest) -> str:
    """What a container said that ended badly; "" while none did."""
    for each in _containers(pod):
        end = each.get("state", {}).get("terminated") or {}
        if end.get("exitCode", 0) or (end and each["name"] == SERVER):
            code = end.get("exitCode")
            return f"{each['name']} ended with {code}: {end.get('message') or end.get('reason') or 'no word'}"
    status = pod.get("status", {})
    if status.get("phase") == "Failed":
        return f"{status.get('reason', 'Failed')}: {status.get('message', '')}"
    return ""


def _waits(pod: Manifest) -> str:
    found = [each.get("state", {}).get("waiting") or {} for each in _containers(pod)]
    return next((f"{each['reason']}: {each.get('message', '')}" for each in found if each.get("message")), "")


def _containers(pod: Manifest) -> list[Mapping[str, Any]]:
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]

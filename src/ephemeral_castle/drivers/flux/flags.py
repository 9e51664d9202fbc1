"""What the controllers of Flux are told on their command line. Pure.

Stock Flux works on four units at once, and a health check that waits holds one of the four: four units that wait can
stop all others. A unit whose need is not ready looks again after 30 seconds.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

from ephemeral_castle.drivers.flux.duration import seconds
from ephemeral_castle.manifests.readiness import Manifest

GRAPHED = ("kustomize-controller", "helm-controller")  # those that follow `dependsOn`
STOCK = 4  # units at once, unless told otherwise
REQUEUE = "5s"


def controllers(manifests: Sequence[Manifest]) -> Iterator[Manifest]:
    """The Deployments among them."""
    return (each for each in manifests if each["kind"] == "Deployment")


def arguments(deployment: Manifest) -> list[str]:
    """Of its first container."""
    found = _container(deployment)
    return [str(each) for each in found.get("args") or ()]


def _container(deployment: Manifest) -> Manifest:
    containers = deployment["spec"]["template"]["spec"].get("containers") or [{}]
    found: Manifest = containers[0]
    return found


def value(args: Sequence[str], flag: str) -> str:
    """Of a flag, the last one said; "" when it is not there."""
    found = ""
    for number, each in enumerate(args):
        name, equals, text = each.lstrip("-").partition("=")
        if each.startswith("-") and name == flag:
            found = text if equals else args[number + 1] if number + 1 < len(args) else ""
    return found


def concurrent(args: Sequence[str]) -> int:
    """Units at once."""
    text = value(args, "concurrent")
    return int(text) if text.isdigit() else STOCK


def requeue(args: Sequence[str]) -> float:
    """Seconds after which a unit whose need is not ready looks again."""
    return seconds(value(args, "requeue-dependency") or "30s")


def slow(deployment: Manifest, wanted: int) -> str:
    """What about the flags of a controller makes a birth slow, for people; "" for nothing.

    Args:
        deployment: its Deployment.
        wanted: units that it should work on at once.
    """
    name = deployment["metadata"]["name"]
    if name not in GRAPHED:
        return ""
    args = arguments(deployment)
    missing = []
    if concurrent(args) < wanted:
        missing.append(f"--concurrent={wanted} (it works on {concurrent(args)} units at once, and each that waits for "
                       "its objects holds one)")  # fmt: skip
    if requeue(args) > requeue([f"--requeue-dependency={REQUEUE}"]):
        missing.append(f"--requeue-dependency={REQUEUE} (a unit looks again after {requeue(args):g} s)")
    return f"{name} should have {' and '.join(missing)}" if missing else ""


def quickened(deployment: Manifest, wanted: int) -> Manifest:
    """The Deployment with the flags that a birth wants; as it is, where it has them or follows no `dependsOn`."""
    if not slow(deployment, wanted):
        return deployment
    result = copy.deepcopy(deployment)
    args = arguments(result)
    if concurrent(args) < wanted:
        args = [*_without(args, "concurrent"), f"--concurrent={wanted}"]
    if requeue(args) > requeue([f"--requeue-dependency={REQUEUE}"]):
        args = [*_without(args, "requeue-dependency"), f"--requeue-dependency={REQUEUE}"]
    _container(result)["args"] = args
    return result


def _without(args: Sequence[str], flag: str) -> list[str]:
    kept: list[str] = []
    skip = False
    for each in args:
        name, equals, _ = each.lstrip("-").partition("=")
        if skip:
            skip = False
        elif each.startswith("-") and name == flag:
            skip = not equals
        else:
            kept.append(each)
    return kept

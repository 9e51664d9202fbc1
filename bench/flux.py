"""How long a tree of 40 Kustomizations, 6 deep, takes to be born: by stock Flux, with nudges, and by castle whole.

Each on an API server of its own, with the real kustomize-controller; from the root's first pass to the last unit ready.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

from figure import Figure

ROOT = Path(__file__).resolve().parents[1]
LEVELS = (4, 6, 8, 8, 8, 6)
NUDGES, WHOLE = 0.6, 0.45  # goals, as parts of stock Flux
LONGEST = "10m"


def measure() -> list[Figure]:
    """One run of each, one after the other on the same computer."""
    sys.path.insert(0, str(ROOT))
    why = _rig().missing()
    if why:
        print(f"  skipped: {why}")
        return []
    stock, nudged, whole = (_birth(nudges=nudges, quick=quick) for nudges, quick in ((0, 0), (1, 0), (1, 1)))
    return [
        Figure("40 Kustomizations, 6 deep: stock Flux", [stock], "s"),
        Figure("40 Kustomizations, 6 deep: with nudges", [nudged], "s"),
        Figure("40 Kustomizations, 6 deep: castle", [whole], "s"),
        Figure("nudges alone, of stock Flux", [nudged / stock], "", NUDGES),
        Figure("castle's bootstrap, of stock Flux", [whole / stock], "", WHOLE),
    ]


def _rig() -> Any:
    """What the tests raise Flux with; by name, since it lies beside the package and not in it."""
    return import_module("tests.kubernetes.fluxes")


def tree() -> dict[str, Any]:
    """The units: each needs two of the level before."""
    config = _rig().config
    found: dict[str, Any] = {}
    above: list[str] = []
    for level, count in enumerate(LEVELS):
        names = [f"l{level}-{number}" for number in range(count)]
        for number, name in enumerate(names):
            needs = {above[(number + step) % len(above)] for step in (0, 1)} if above else set()
            spec = {"dependsOn": [{"name": need} for need in sorted(needs)], "timeout": "3m"} if needs else {}
            found[name] = (spec, {"a.yaml": config(name)})
        above = names
    return found


def _birth(*, nudges: int, quick: int) -> float:
    from ephemeral_castle.drivers.flux import flags
    from ephemeral_castle.drivers.flux.pace import Pace

    with ExitStack() as changed, tempfile.TemporaryDirectory() as folder:
        if not quick:
            changed.enter_context(mock.patch.object(flags, "quickened", lambda deployment, _: deployment))
        if not nudges:
            changed.enter_context(mock.patch.object(Pace, "due", return_value=[]))
        return asyncio.run(_story(Path(folder)))


async def _story(folder: Path) -> float:
    rig = _rig()
    control = rig.Control(folder)
    control.start()
    cluster = rig.HttpCluster(control.access(), rig.SystemClock())
    try:
        async with rig.flux(control, cluster, folder, wait=LONGEST) as bed:
            bed.push(**tree())
            await bed.all("units")
            begun = bed.clock.monotonic()
            await bed.step("units")
            return float(bed.clock.monotonic() - begun)
    finally:
        await cluster.close()
        control.stop()

"""What it costs to watch 5,000 objects that change 50 times a second, on a real API server.

The watcher is a process of its own, and so is measured alone: its memory above what its imports take, and its processor
time. Fifty waits for single objects go on beside it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from figure import Figure

if TYPE_CHECKING:
    from ephemeral_castle.spi.kubernetes import ClusterAccess, Manifest

ROOT = Path(__file__).resolve().parents[1]
OBJECTS, RATE, SECONDS, WAITS = 5000, 50, 60, 50
TEXT = "x" * 2048  # about what a pod says of itself
NAMESPACE = "default"


def measure() -> list[Figure]:
    """Fills the server, starts the watcher, changes objects, and asks the watcher what it took."""
    sys.path.insert(0, str(ROOT))
    from tests.kubernetes.control import Control, missing

    if missing():
        print(f"  skipped: {missing()}")
        return []
    with tempfile.TemporaryDirectory() as folder:
        control = Control(Path(folder))
        try:
            control.start()
            told = asyncio.run(_story(control.access()))
        finally:
            control.stop()
    if told["changes"] != told["made"]:
        raise SystemExit(f"the watcher was told of {told['changes']} changes, and {told['made']} were made")
    return [
        Figure("watch of 5,000 objects: memory above import", [told["memory"]], "MB", 100),
        Figure("watch of 5,000 objects: processor time", [told["cpu"] / told["seconds"] * 100], "%"),
        Figure("watch of 5,000 objects: until all are told", [told["first"]], "s"),
    ]


async def _story(access: ClusterAccess) -> dict[str, float]:
    from ephemeral_castle.world.clock import SystemClock
    from ephemeral_castle.world.kubernetes import HttpCluster

    cluster = HttpCluster(access, SystemClock())

    async def fill(start: int) -> None:
        for number in range(start, OBJECTS, 16):
            await cluster.apply(_object(number, 0))

    await asyncio.gather(*(fill(start) for start in range(16)))
    child = _watcher()
    assert child.stdin is not None
    assert child.stdout is not None
    key = access.key.reveal() if access.key else ""
    words = {"server": access.server, "ca": access.ca, "certificate": access.certificate, "key": key}
    child.stdin.write(json.dumps(words) + "\n")
    child.stdin.flush()
    await asyncio.to_thread(child.stdout.readline)  # it has seen all
    began, made = time.monotonic(), 0
    while (passed := time.monotonic() - began) < SECONDS:
        while made < passed * RATE:
            made += 1
            await cluster.apply(_object(made * 7 % OBJECTS, made))
        await asyncio.sleep(0.02)
    await asyncio.sleep(1)
    child.stdin.close()
    said = await asyncio.to_thread(child.stdout.read)
    child.wait()
    await cluster.close()
    return {**json.loads(said), "made": made, "seconds": time.monotonic() - began}


def _watcher() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _object(number: int, version: int) -> Manifest:
    meta = {"name": f"m{number:05d}", "namespace": NAMESPACE, "labels": {"app": "bench"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"version": str(version), "text": TEXT}}


async def _watch(words: dict[str, str]) -> None:
    """The watcher: counts, and keeps nothing of its own."""
    from ephemeral_castle.manifests import ready
    from ephemeral_castle.spi.kubernetes import ClusterAccess, Ref
    from ephemeral_castle.spi.secret import Secret
    from ephemeral_castle.world.clock import SystemClock
    from ephemeral_castle.world.kubernetes import HttpCluster

    _forget_peak()
    memory, cpu, began = _memory("VmRSS"), time.process_time(), time.monotonic()
    access = ClusterAccess(words["server"], words["ca"], words["certificate"], Secret(words["key"]))
    cluster = HttpCluster(access, SystemClock())
    refs = [Ref("v1", "ConfigMap", f"m{number:05d}", NAMESPACE) for number in range(WAITS)]
    waits = [asyncio.create_task(cluster.until(ref, ready.absent, timeout=3600)) for ref in refs]
    told: dict[str, Any] = {"ADDED": 0, "MODIFIED": 0, "first": 0.0}

    async def count() -> None:
        async for change in cluster.watch("v1", "ConfigMap", NAMESPACE, labels="app=bench"):
            told[change.type] += 1
            if change.type == "ADDED" and told["ADDED"] == OBJECTS:
                told["first"] = time.monotonic() - began
                print("seen", flush=True)

    counting = asyncio.create_task(count())
    await asyncio.to_thread(sys.stdin.read)
    for each in (counting, *waits):
        each.cancel()
        with suppress(asyncio.CancelledError):
            await each
    await cluster.close()
    figures = {"memory": (_memory("VmHWM") - memory) / 1024, "cpu": time.process_time() - cpu}
    print(json.dumps({**figures, "changes": told["MODIFIED"], "first": told["first"]}))


def _forget_peak() -> None:
    """The peak of memory is counted from here (proc(5))."""
    Path("/proc/self/clear_refs").write_text("5")


def _memory(name: str) -> int:
    """A line of /proc/self/status in kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    asyncio.run(_watch(json.loads(sys.stdin.readline())))

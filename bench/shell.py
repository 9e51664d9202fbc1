"""The floor: shell scripts without any safety net that do the same, as the measure of what castle costs."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from castle import DATABASE, ROOT, run

if TYPE_CHECKING:
    from collections.abc import Iterator

FLOOR = ROOT / "bench/floor"


def images() -> dict[str, str]:
    """What the scripts ask for: the castle's own images and S3 server."""
    answer = json.loads(run("castle", "prefetch", "-f", DATABASE.file, "--json").splitlines()[-1])
    return {
        "MACHINE_IMAGE": answer["machine"],
        "POSTGRES_IMAGE": answer["postgres"],
        "IMAGE_STORE": answer["store"],
        "VERSITYGW": run(ROOT / "scripts/versitygw").strip(),
    }


@contextmanager
def standing(megabytes: int) -> Iterator[None]:
    """A floor with that much data, taken down at the end."""
    run(FLOOR / "down")
    try:
        run(FLOOR / "setup", env={**images(), "MEGABYTES": str(megabytes)})
        yield
    finally:
        run(FLOOR / "down")


@contextmanager
def writer() -> Iterator[None]:
    """The floor's writer; raises ValueError when a row was lost, since then its figures mean nothing."""
    run(FLOOR / "writer", "start")
    lost = None
    try:
        yield
    finally:
        lost = json.loads(run(FLOOR / "writer", "stop"))["lost"]
    if lost:
        raise ValueError(f"the floor lost {lost} rows")


def rebirth() -> dict[str, Any]:
    """One rebirth by shell; gives `outage`, `rto`, `whole` in seconds and every step."""
    return dict(json.loads(run(FLOOR / "rebirth")))


def restore() -> float:
    """Seconds from start to accepting writes, by ten lines of shell."""
    return float(json.loads(run(FLOOR / "restore"))["seconds"])

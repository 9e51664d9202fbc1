"""The example castle as a whole: database, uploads, services, name and certificate, reborn under a writer.

The Git repository and the name server outside of it are those of the demo; what stands already is used and left.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from castle import ROOT, TESTBED, Bench, cpu, run
from figure import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

CASTLE = Bench(ROOT / "examples/here/castle.yaml", "here")
OUTSIDE = Path("/var/tmp/castle-demo")  # the directory that the example's definition names
MEGABYTES = 400  # in the database; the uploads are 20 MB
TIMES = 3


def measure() -> list[Figure]:
    """Rebirths, raises with nothing to do, drills."""
    with _outside(), CASTLE.standing():
        CASTLE.fill(MEGABYTES)
        _upload()
        reborn = [_rebirth() for _ in range(TIMES)]
        raised = [cpu("castle", "raise", "-f", str(CASTLE.file), "--progress", "none")[1] for _ in range(TIMES)]
        drilled = [_drill() for _ in range(TIMES)]
    return [
        Figure("whole castle: outage", [each["outage"] for each in reborn], "s", 15),
        Figure("whole castle: RTO", [each["rto"] for each in reborn], "s"),
        Figure("whole castle: whole run with proof", [each["whole"] for each in reborn], "s", 30),
        Figure("whole castle: raise, nothing changed", raised, "s", 1),
        Figure("whole castle: drill", drilled, "s", 20),
    ]


@contextmanager
def _outside() -> Iterator[None]:
    """Repository and name server; those that were not there before go at the end."""
    stood = OUTSIDE.exists()
    for part in ("repository", "names"):
        run(ROOT / "scripts/demo-outside", part)
    try:
        yield
    finally:
        if not stood:
            run(ROOT / "scripts/demo-outside", "stop")
            shutil.rmtree(OUTSIDE)


def _upload() -> None:
    """Gives the blog its uploads, as a reader outside; those that are there are left."""
    with TemporaryDirectory(prefix="castle-bench-") as work:
        ca = Path(work, "ca.pem")
        ca.write_text(CASTLE.castle("secret", "get", "certificate/certificate/ca"), encoding="utf-8")
        token = CASTLE.castle("secret", "get", "blog/upload_token").strip()
        words = ("put", "--door", CASTLE.address("blog-edge"), "--ca", ca)
        sys.stderr.write(run(sys.executable, TESTBED / "reader.py", *words, env={**os.environ, "UPLOAD_TOKEN": token}))


def _rebirth() -> dict[str, float]:
    with CASTLE.writer():
        figures = CASTLE.rebirth()["figures"]
    return {name: figures[name]["seconds"] for name in ("outage", "rto", "whole")}


def _drill() -> float:
    """Seconds of a whole drill, as its report has them."""
    said: dict[str, Any] = json.loads(CASTLE.castle("drill", "--json", "--progress", "none").splitlines()[-1])
    return float(said["figures"]["whole"]["seconds"])

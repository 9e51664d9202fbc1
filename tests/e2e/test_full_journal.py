"""A disk that is full in earnest: a file system of a few MiB, in a mount namespace of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", "sqlite")]

ROOT = Path(__file__).parents[2]


def test_the_end_of_a_run_is_written_on_a_disk_that_is_full(tmp_path: Path) -> None:
    mounted = 'mount -t tmpfs -o size=8m none "$1" && exec "$2" -m tests.e2e.full_journal "$1"'
    argv = ["unshare", "--mount", "sh", "-c", mounted, "sh", str(tmp_path), sys.executable]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["before"] == 0, "the disk was full"
    assert told["refused"] == "no room left for the journal"
    assert told["kinds"][-1] == "run.finished"
    assert told["kinds"].count("step.undone") == 100
    assert told["again"] == "no room left for the journal", "without room for last words no run begins"

"""The script in the containers of restic, run here beside a restic of ours."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ephemeral_castle.drivers.restic.answers import Cause, cause_of, message_of
from ephemeral_castle.drivers.restic.work import SCRIPT


@pytest.mark.parametrize("said", ["", "Load(<config>, 0, 0) returned error, retrying: dial tcp: i/o timeout"])
def test_the_treasury_was_blamed_when_the_time_was_up(tmp_path: Path, said: str) -> None:
    """Whatever took longer than it may `does not answer`, a slow disk too."""
    (tmp_path / "env").write_text(f"export TMPDIR={tmp_path}/under-way\noptions=\n")
    restic = tmp_path / "restic"
    restic.write_text(f"#!/bin/sh\necho '{said}' >&2\nexec sleep 20\n")
    restic.chmod(0o755)
    script = SCRIPT.replace("/run/castle", str(tmp_path)).replace("/tmp/errors", f"{tmp_path}/errors")
    result = subprocess.run(
        ["sh", "-c", script, "work.sh", "0.3", "snapshots"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 124
    assert message_of(result.stderr) == "not done within 0.3 s"
    assert cause_of(result.returncode, result.stderr) is (Cause.UNREACHABLE if said else Cause.TIME)

"""How one container is judged from what podman says of it."""

from __future__ import annotations

from typing import Any

import pytest

from ephemeral_castle.drivers.compose.hand import health


def detail(status: str, code: int = 0) -> dict[str, Any]:
    return {"Config": {}, "State": {"Status": status, "ExitCode": code}, "HostConfig": {}}


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        ("stopping", 0, ""),
        ("stopped", 0, ""),
        ("exited", 0, "done"),
        ("exited", 3, "failed: it ended with exit status 3"),
    ],
)
def test_a_job_that_is_just_ending_has_not_failed(
    monkeypatch: pytest.MonkeyPatch, status: str, code: int, verdict: str
) -> None:
    """`it ended with exit status 0` ended a raise: podman says `stopped` until it has written down how it ended."""
    patient = health.Patient({"name": "blog_job_1", "id": "5", "service": "job"}, detail("running"), {"job": True}, 0.0)
    monkeypatch.setattr(health, "inspect_one", lambda _name: detail(status, code))
    patient.look(1.0)
    assert patient.verdict == verdict

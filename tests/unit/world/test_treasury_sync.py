"""What the treasury's server acknowledged is brought to the disk itself: what changed, and the directories it is in."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from ephemeral_castle.errors import Permanent
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.sigv4 import Credentials
from ephemeral_castle.world.treasury_server import LocalTreasury, Place

THEN, NOW = 1_000_000.0, 2_000_000.0


@pytest.fixture
def treasury(tmp_path: Path) -> LocalTreasury:
    for path in ("store/vault/a/old", "store/vault/b/new", "versions/vault/v", "iam/users.json"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    for folder, names, files in os.walk(tmp_path):
        for name in (*names, *files):
            os.utime(Path(folder, name), (THEN, THEN))
    for path in ("store/vault/b/new", "store/vault/b"):
        os.utime(tmp_path / path, (NOW, NOW))
    return LocalTreasury(Place(tmp_path, tmp_path / "run", "", 0), Credentials("key", Secret("secret")), SystemClock())


def synced(treasury: LocalTreasury, since: float, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: found.append(str(Path(f"/proc/self/fd/{fd}").readlink())))
    assert asyncio.run(treasury.sync(since)) == len(found)
    return [os.path.relpath(path, treasury.place.state) for path in found]


def test_only_what_changed_is_synced_and_a_directory_after_its_files(
    treasury: LocalTreasury, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert synced(treasury, NOW - 1, monkeypatch) == ["store/vault/b/new", "store/vault/b"]


def test_at_first_everything_is_synced(treasury: LocalTreasury, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = {"store", "store/vault", "store/vault/a", "store/vault/a/old", "store/vault/b", "store/vault/b/new",
                  "versions", "versions/vault", "versions/vault/v", "iam", "iam/users.json"}  # fmt: skip
    assert set(synced(treasury, 0.0, monkeypatch)) == everything


def test_a_disk_that_reports_an_error_stops_the_run(treasury: LocalTreasury, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(Permanent, match="disk does not take the data") as told:
        asyncio.run(treasury.sync())
    assert "Input/output error" in told.value.why

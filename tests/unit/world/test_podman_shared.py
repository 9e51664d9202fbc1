"""What all podmans share: kept apart while a command runs, and tidied away where nobody needs it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ephemeral_castle.world import podman_shared
from ephemeral_castle.world.podman_shared import SHARED, apart, tidy

pytestmark = pytest.mark.evidence("real", "podman")


def test_empty_directories_of_podmans_stayed_after_the_last_castle(tmp_path: Path) -> None:
    mine, others = tmp_path / "containers/cache", tmp_path / "names/containers"
    for path in (mine, others):
        path.mkdir(parents=True)
    (others / "aliases").touch()
    netns = tmp_path / "netns"
    (netns / "castle-here").mkdir(parents=True)
    tidy([mine, others], netns)
    assert mine.exists(), "a castle that stands has a mount on it"
    (netns / "castle-here").rmdir()
    tidy([mine, others, tmp_path / "never/there"], netns)
    assert not mine.parent.exists()
    assert (others / "aliases").exists(), "somebody else's podman"


@pytest.mark.machines
def test_podmans_cache_stayed_on_the_computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing an image left /var/lib/containers/cache/blob-info-cache-v1.boltdb, for ever."""
    shared = {name: str(tmp_path / "computer" / name) for name in SHARED}
    monkeypatch.setattr(podman_shared, "SHARED", shared)
    script = 'touch "$0/file"; cat "$1"'
    said = tmp_path / "said"
    said.write_text("what it says")
    done = subprocess.run(
        apart(tmp_path / "own", ["sh", "-c", script, shared["blobs"], str(said)]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "what it says"), done.stderr
    assert list(Path(shared["blobs"]).iterdir()) == []
    assert (tmp_path / f"own{shared['blobs']}" / "file").exists()

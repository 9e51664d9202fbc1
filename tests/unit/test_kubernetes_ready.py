"""Programs that their vendor publishes: taken by pinned digest, never with another, built where nobody answers."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from testbed.kubernetes import ready
from testbed.kubernetes.places import Trouble
from testbed.kubernetes.programs import BY_NAME, PROGRAMS

KUBELET = BY_NAME["kubelet"]
BYTES = b"#!/bin/sh\necho Kubernetes\n"


class Quiet(SimpleHTTPRequestHandler):
    """Writes nothing to the terminal."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A vendor on a port of its own; gives the file of kubelet there. Nothing is pinned."""
    monkeypatch.setattr(ready, "PINNED", tmp_path / "ready.json")
    ready.PINNED.write_text("{}")
    there = tmp_path / "there"
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(there)))
    monkeypatch.setattr(ready, "VENDOR", f"http://127.0.0.1:{server.server_port}")
    file = there / ready._url(KUBELET).removeprefix(ready.VENDOR).lstrip("/")
    file.parent.mkdir(parents=True)
    file.write_bytes(BYTES)
    file.with_name("kubelet.sha256").write_text(hashlib.sha256(BYTES).hexdigest())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield file
    server.shutdown()
    server.server_close()


def test_what_is_not_pinned_is_built(vendor: Path, tmp_path: Path) -> None:
    assert ready.take(KUBELET, tmp_path / "made") is False
    assert not (tmp_path / "made").exists()


def test_a_pinned_program_is_fetched_and_can_run(vendor: Path, tmp_path: Path) -> None:
    assert ready.pin([KUBELET], tmp_path) == [ready._name(KUBELET)]
    assert ready.take(KUBELET, tmp_path / "made") is True
    assert (tmp_path / "made").read_bytes() == BYTES
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o755


def test_other_bytes_than_the_pinned_ones_are_refused(vendor: Path, tmp_path: Path) -> None:
    ready.pin([KUBELET], tmp_path)
    vendor.write_bytes(BYTES + b"rm -rf /\n")
    with pytest.raises(Trouble, match="is pinned in"):
        ready.take(KUBELET, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_vendor_out_of_reach_means_building(
    vendor: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ready.pin([KUBELET], tmp_path)
    vendor.unlink()
    assert ready.take(KUBELET, tmp_path / "made") is False
    assert "it is built instead" in capsys.readouterr().err
    monkeypatch.setattr(ready, "VENDOR", "http://127.0.0.1:9")
    assert ready.take(KUBELET, tmp_path / "made") is False


def test_a_digest_that_its_own_vendor_contradicts_is_not_pinned(vendor: Path, tmp_path: Path) -> None:
    vendor.with_name("kubelet.sha256").write_text("0" * 64)
    with pytest.raises(Trouble, match="nothing was pinned"):
        ready.pin([KUBELET], tmp_path)
    assert json.loads(ready.PINNED.read_text()) == {}


def test_programs_of_other_vendors_are_always_built(vendor: Path, tmp_path: Path) -> None:
    assert ready.pin([BY_NAME["etcd"], BY_NAME["coredns"]], tmp_path) == []


def test_every_committed_pin_is_of_a_version_that_is_wanted() -> None:
    wanted = {f"{each.name} {each.version}" for each in PROGRAMS}
    for name, digest in json.loads(ready.PINNED.read_text()).items():
        assert name.rpartition(" ")[0] in wanted
        assert len(digest) == 64

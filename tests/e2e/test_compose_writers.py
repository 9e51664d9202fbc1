"""A service that writes all the time beside files that are kept: stopped where its writes would be lost, else left."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.files import DATA as VOLUME
from tests.e2e.test_compose import Blog

pytestmark = [
    pytest.mark.machines,
    pytest.mark.evidence("real", "podman", "podman-compose", "restic", "versitygw", "git"),
]

DEFINITION = """\
castle: {name}
proof: {{max_age: 1ms}}
treasury: {treasury}
repository: {{url: {repository}, ref: main}}
layers:
  machines: {{role: ground}}
  uploads: {{role: treasures, needs: [machines]}}
  {layer}: {{role: walls, needs: [machines, uploads]}}
sites:
  here:
    layers:
      machines: {{driver: podman, machines: {{data: {{id: 431, memory: 512MiB}}}}}}
      uploads: {{driver: restic, machine: data, volume: blog_uploads}}
      {layer}:
        driver: compose
        projects: {{data: data}}
        images:
          localhost/tiny: {{packages: [busybox-static], files: {{/usr/local/bin/hello: image/hello}}}}
        grace: 1s
        timeout: 20s
"""
COMPOSE = """\
name: blog
services:
  writer:
    image: localhost/tiny
    command: ["sh", "-c", "while :; do date +%s.%N >> /uploads/log; sleep 0.1; done"]
    init: true
    restart: always
    volumes: ["uploads:/uploads"]
  reader:
    image: localhost/tiny
    command: ["sleep", "infinity"]
    init: true
    volumes: ["uploads:/uploads:ro"]
volumes: {uploads: {}}
"""


class Writing(Blog):
    """One machine with the volume, its backup and the service that writes into it."""

    layer = "blog"

    def write(self, *, transport: str = "podman", max_age: str = "1ms") -> None:
        del transport, max_age
        text = DEFINITION.format(name=self.name, treasury=self.treasury, repository=self.repository, layer=self.layer)
        self.file.write_text(text)

    def push(self, files: dict[str, str]) -> None:
        super().push({"image/hello": files["image/hello"], "data/compose.yaml": COMPOSE})

    def state(self, service: str) -> str:
        """`running` or `exited`."""
        return self.on(431, "podman", "inspect", "-f", "{{.State.Status}}", f"blog_{service}_1")

    def log(self) -> list[str]:
        """Lines that the service wrote."""
        return self.on(431, "cat", f"{VOLUME}/log").splitlines()


@pytest.fixture(scope="module")
def writing() -> Iterator[Writing]:
    base = Path(tempfile.mkdtemp(prefix="castle-test-", dir="/var/tmp"))
    castle = Writing(base)
    castle.raise_()
    yield castle
    castle.down()
    shutil.rmtree(base, ignore_errors=True)


def test_a_restore_in_place_deleted_what_services_wrote_meanwhile(writing: Writing) -> None:
    """They went on writing: after the snapshot of the present, into files that were about to be replaced."""
    kept = writing.log()
    writing.run("backup")
    started = writing.on(431, "podman", "inspect", "-f", "{{.State.StartedAt}}", "blog_reader_1")
    time.sleep(2)
    writing.run("restore", "--to", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "--confirm", writing.name)
    now = writing.log()
    assert now[: len(kept)] == kept
    assert (writing.state("writer"), writing.state("reader")) == ("running", "running")
    assert writing.on(431, "podman", "inspect", "-f", "{{.State.StartedAt}}", "blog_reader_1") == started
    time.sleep(1)
    assert len(writing.log()) > len(now)


def test_services_of_a_layer_that_was_renamed_wrote_on_after_the_cut(writing: Writing) -> None:
    """Nothing stopped them, so no rebirth could be made with the new definition."""
    writing.layer = "journal"
    writing.write()
    writing.run("seal")
    assert (writing.state("writer"), writing.state("reader")) == ("exited", "running")

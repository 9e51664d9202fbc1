"""Compose projects on real machines: up, unchanged, changed, refused, never well, secrets nowhere on a disk."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ephemeral_castle.spi.world import Recipe
from ephemeral_castle.world.exec import LocalExec
from ephemeral_castle.world.images import ImageStore
from ephemeral_castle.world.registry import canonical
from tests.e2e.castles import TestCastle
from tests.e2e.conftest import TINY
from tests.e2e.registries import needs_registry, registry_in

pytestmark = [
    pytest.mark.machines,
    pytest.mark.evidence("real", "podman", "debian", "podman-compose", "versitygw", "git", "registry", "openssh"),
]

DEFINITION = """\
castle: {name}
treasury: {treasury}
repository: {{url: {repository}, ref: main}}
layers:
  machines: {{role: ground}}
  blog: {{role: walls, needs: [machines]}}
sites:
  here:
    layers:
      machines:
        driver: podman
        transport: {transport}
        machines:
          data: {{id: 431, memory: 256MiB}}
          edge: {{id: 432, memory: 256MiB}}
      blog:
        driver: compose
        projects: {{data: data, edge: stacks/edge}}
        secrets: {{token: blog/token, tls.key: blog/key}}
        images:
          localhost/tiny: {{packages: [busybox-static], files: {{/usr/local/bin/hello: image/hello}}}}
        accept_loss: [blog_uploads]
        grace: 1s
        timeout: 20s
"""
DATA = """\
services:
  web:
    image: localhost/tiny
    command: ["busybox", "httpd", "-f", "-p", "8000", "-h", "/srv"]
    init: true
    ports: ["8000:8000"]
    environment:
      EDGE: ${CASTLE_ADDRESS_EDGE}
      LIFE: ${CASTLE_LIFE}
      GREETING: ${GREETING:-hello}
      TOKEN_FILE: /run/secrets/token
    secrets:
      - {source: token, uid: "1000", mode: 0440}
    volumes: ["uploads:/uploads", "./static:/srv:ro"]
    healthcheck:
      test: ["CMD", "busybox", "wget", "-qO-", "http://127.0.0.1:8000/page.txt"]
      interval: 1s
      retries: 5
      start_interval: 100ms
  job:
    image: localhost/tiny
    command: ["sh", "-c", "echo $$(cat /uploads/count 2>/dev/null)x > /uploads/count; hello"]
    volumes: ["uploads:/uploads"]
    depends_on: {web: {condition: service_healthy}}
  after:
    image: localhost/tiny
    command: ["sleep", "infinity"]
    init: true
    depends_on: {job: {condition: service_completed_successfully}}
volumes: {uploads: {}}
secrets: {token: {file: ./secrets/token}}
"""
SICK = DATA.replace("http://127.0.0.1:8000/page.txt", "http://127.0.0.1:8000/nothing").replace(
    "retries: 5", "retries: 2"
)
EDGE = """\
services:
  front:
    image: localhost/tiny
    command: ["sleep", "infinity"]
    init: true
    restart: always
    ports: ["8443:8443"]
    secrets: [tls.key]
secrets: {tls.key: {file: ./secrets/tls.key}}
"""
FILES = {
    "data/compose.yaml": DATA,
    "data/static/page.txt": "first\n",
    "stacks/edge/compose.yaml": EDGE,
    "image/hello": "#!/bin/sh\necho built into the image\n",
}


class Blog(TestCastle):
    """A castle with machines and Compose projects, and the repository that they come from."""

    def __init__(self, base: Path, *, transport: str = "podman") -> None:
        self.repository = base / "repository.git"
        self.checkout = base / "checkout"
        super().__init__(base, transport=transport)
        self.git("init", "-q", "--bare", "-b", "main", str(self.repository), at=base)
        self.git("init", "-q", "-b", "main", str(self.checkout), at=base)
        self.push(FILES)
        self.first = self.head()

    def write(self, *, transport: str = "podman", max_age: str = "1ms") -> None:
        text = DEFINITION.format(
            name=self.name, treasury=self.treasury, repository=self.repository, transport=transport
        )
        self.file.write_text(text)

    def git(self, *args: str, at: Path | None = None) -> None:
        who = ("-c", "user.name=test", "-c", "user.email=test@castle.example")
        subprocess.run(["git", *who, *args], cwd=at or self.checkout, check=True, capture_output=True)

    def push(self, files: dict[str, str]) -> None:
        for path, text in files.items():
            target = self.checkout / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-qm", "as the test wants it")
        self.git("push", "-q", str(self.repository), "HEAD:main", "--force")

    def head(self) -> str:
        """The commit that was pushed last."""
        said = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=self.checkout, capture_output=True, check=True, text=True
        )
        return said.stdout.strip()

    def on(self, machine: int, *command: str, life: int = 1) -> str:
        done = self.podman("exec", f"{self.name}-{life}-{machine}", *command)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def containers(self, machine: int = 431, life: int = 1) -> dict[str, str]:
        said = self.on(machine, "podman", "ps", "-a", "--format", "{{.Names}} {{.ID}}", life=life)
        return dict(line.split() for line in said.splitlines())


@pytest.fixture(scope="module")
def blog() -> Iterator[Blog]:
    """One castle for the whole file; each test leaves it with the files that it began with."""
    base = Path(tempfile.mkdtemp(prefix="castle-test-", dir="/var/tmp"))
    castle = Blog(base)
    castle.raise_()
    yield castle
    castle.down()
    tiny = Recipe("tiny", ("busybox-static",), {"/usr/local/bin/hello": FILES["image/hello"]})
    asyncio.run(ImageStore(LocalExec()).drop(tiny))
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(autouse=True)
def as_it_was(blog: Blog) -> Iterator[None]:
    yield
    changed = subprocess.run(["git", "log", "--format=%h"], cwd=blog.checkout, capture_output=True, check=True)
    if len(changed.stdout.split()) > 1:
        blog.git("checkout", "-q", "-B", "main", blog.first)
        blog.git("push", "-q", "--force", str(blog.repository), "HEAD:main")
        blog.run("raise", ok=False)


def test_services_are_up_with_their_files_secrets_and_order(blog: Blog) -> None:
    assert (
        blog.on(431, "podman", "exec", "blog_web_1", "busybox", "wget", "-qO-", "http://127.0.0.1:8000/page.txt")
        == "first"
    )
    env = blog.on(431, "podman", "exec", "blog_web_1", "env").splitlines()
    assert "LIFE=1" in env
    assert "GREETING=hello" in env
    assert any(line.startswith("EDGE=10.") for line in env)
    assert blog.on(431, "podman", "exec", "blog_web_1", "stat", "-c", "%u %a", "/run/secrets/token") == "1000 440"
    assert blog.on(432, "podman", "exec", "blog_front_1", "stat", "-c", "%u %a", "/run/secrets/tls.key") == "0 400"
    assert blog.on(431, "podman", "logs", "blog_job_1") == "built into the image"
    services = {each["service"]: each for each in blog.data("status")["services"]}
    assert services["web"]["health"] == "healthy"
    assert services["job"]["state"] == "ended"
    assert services["front"]["machine"] == "edge"


def test_a_raise_with_nothing_changed_touches_nothing(blog: Blog) -> None:
    before = blog.containers(), blog.containers(432)
    blog.run("raise")
    assert (blog.containers(), blog.containers(432)) == before
    assert blog.on(431, "podman", "exec", "blog_web_1", "cat", "/uploads/count") == "x"  # the job ran once


def test_a_new_revision_makes_only_the_changed_service_anew(blog: Blog) -> None:
    before = blog.containers()
    changed = DATA.replace("${GREETING:-hello}", "bye").replace(
        "  after:", "  extra:\n    image: localhost/tiny\n    command: [sleep, infinity]\n    init: true\n  after:"
    )
    blog.push({"data/compose.yaml": changed})
    blog.run("raise")
    after = blog.containers()
    assert after["blog_web_1"] != before["blog_web_1"]
    assert "GREETING=bye" in blog.on(431, "podman", "exec", "blog_web_1", "env")
    assert "blog_extra_1" in after
    blog.git("reset", "-q", "--hard", blog.first)
    blog.git("push", "-q", "--force", str(blog.repository), "HEAD:main")
    blog.run("raise")
    assert "blog_extra_1" not in blog.containers()
    assert blog.on(431, "podman", "volume", "ls", "-q") == "blog_uploads"  # volumes are never removed


def test_a_changed_file_of_the_project_makes_its_service_anew_and_no_other(blog: Blog) -> None:
    before = blog.containers()
    blog.push({"data/static/page.txt": "second\n"})
    blog.run("raise")
    after = blog.containers()
    changed = {name for name in after if after[name] != before[name]}
    assert "blog_web_1" in changed
    assert blog.on(431, "podman", "exec", "blog_web_1", "cat", "/srv/page.txt") == "second"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (DATA.replace("services:", "servises:", 1), "data/compose.yaml:1:1: there is no `servises`"),
        (DATA.replace('"8000:8000"]', '"8000:8000"'), "data/compose.yaml:"),
        (DATA.replace("LIFE: ${CASTLE_LIFE}", "DB_PASSWORD: hunter2secret"), "carries a secret, by its name"),
        (DATA.replace("LIFE: ${CASTLE_LIFE}", "LIFE: ${token}"), "would carry the secret `token`"),
        (DATA.replace("LIFE: ${CASTLE_LIFE}", "LIFE: ${NOBODY}"), "`${NOBODY}` has no value"),
    ],
)
def test_a_bad_project_is_refused_before_anything(blog: Blog, text: str, said: str) -> None:
    before = blog.containers()
    blog.push({"data/compose.yaml": text})
    result = blog.rebirth(ok=False)
    assert result.returncode == 9, result.stdout + result.stderr
    assert said in result.stdout + result.stderr
    assert "hunter2secret" not in result.stdout + result.stderr
    assert blog.containers() == before
    assert blog.life() == 1


def test_a_service_that_never_gets_well_is_told_with_its_last_words(blog: Blog) -> None:
    blog.push({"data/compose.yaml": SICK})
    result = blog.run("raise", ok=False)
    said = result.stdout + result.stderr
    assert result.returncode == 4, said
    assert "`web` on data: its health check failed" in said
    assert "404" in said
    assert "mend and push the project, then `castle raise`" in said


def test_a_service_that_dies_is_told_with_its_last_words(blog: Blog) -> None:
    script = '["sh", "-c", "echo last words $$(cat /run/secrets/tls.key); exit 3"]'
    dying = EDGE.replace('["sleep", "infinity"]', script)
    blog.push({"stacks/edge/compose.yaml": dying.replace("restart: always", 'restart: "no"')})
    result = blog.run("raise", ok=False)
    said = result.stdout + result.stderr
    assert result.returncode == 4, said
    assert "`front` on edge: it ended with exit status 3" in said
    assert "last words" in said
    assert "[redacted]" in said, said
    key = blog.on(432, "cat", "/run/castle/compose/blog/secrets/tls.key")
    assert key not in said


def test_secrets_are_nowhere_on_a_disk_in_metadata_arguments_or_environment(blog: Blog) -> None:
    for machine, name in ((431, "token"), (432, "tls.key")):
        look = (
            f"value=$(cat /run/castle/compose/blog/secrets/{name}); [ ${{#value}} -ge 30 ] || exit 9; "
            'grep -rlaF "$value" /var/lib/containers /etc /root /home /usr/local /srv 2>/dev/null; '
            'for each in /proc/[0-9]*; do [ "$each" = /proc/$$ ] || '
            'grep -laF "$value" "$each/environ" "$each/cmdline" 2>/dev/null; done; '
            'podman inspect $(podman ps -aq) | grep -cF "$value"; true'
        )
        found = [line for line in blog.on(machine, "bash", "-c", look).splitlines() if "/proc/self" not in line]
        assert found == ["0"], found


def test_a_changed_secret_reaches_the_service(blog: Blog) -> None:
    before = blog.on(432, "podman", "exec", "blog_front_1", "cat", "/run/secrets/tls.key")
    script = "import sys; p = '/run/castle/compose/blog/secrets/tls.key'; open(p, 'w').write('an old one')"
    blog.on(432, "python3", "-c", script)  # as if another had been delivered before
    blog.on(432, "rm", "/run/castle/compose/.blog/applied")
    blog.run("raise")
    assert blog.on(432, "podman", "exec", "blog_front_1", "cat", "/run/secrets/tls.key") == before


def test_after_a_reboot_of_a_machine_raise_brings_the_services_back(blog: Blog) -> None:
    before = blog.containers()
    assert blog.podman("restart", "-t", "0", f"{blog.name}-1-431").returncode == 0
    assert blog.data("status")["state"] != "up"
    blog.run("raise")
    assert blog.containers() == before
    assert blog.data("status")["state"] == "up"


@needs_registry
def test_an_image_of_a_registry_runs_by_its_digest(blog: Blog, store: ImageStore) -> None:
    shared = ImageStore(LocalExec())
    with registry_in(blog.base) as (host, variables), pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        image = f"{host}/team/tiny:1"
        pushed = store._podman("push", "--quiet", store.reference(TINY), image, env=tuple(variables))
        assert asyncio.run(pushed)[0] == 0
        blog.push({"stacks/edge/compose.yaml": EDGE.replace("localhost/tiny", image)})
        try:
            blog.run("raise")
            said = json.loads(blog.on(432, "podman", "inspect", "blog_front_1"))[0]
            assert said["ImageName"].startswith(f"{host}/team/tiny@sha256:")
        finally:
            blog.git("reset", "-q", "--hard", blog.first)
            blog.git("push", "-q", "--force", str(blog.repository), "HEAD:main")
            blog.run("raise")
            asyncio.run(shared._podman("rmi", "--force", canonical(image)))


def test_a_rebirth_stills_the_old_life_and_a_refused_one_starts_it_again(blog: Blog) -> None:
    blog.rebirth()
    assert blog.life() == 2
    web = ("podman", "exec", "blog_web_1")
    assert "LIFE=2" in blog.on(431, *web, "env", life=2).splitlines()
    assert blog.on(431, *web, "cat", "/uploads/count", life=2) == "x"  # nothing carried the volume over here
    blog.run("seal")
    assert blog.on(431, "podman", "inspect", "-f", "{{.State.Status}}", "blog_web_1", life=2) == "exited"
    assert blog.on(432, "podman", "inspect", "-f", "{{.State.Status}}", "blog_front_1", life=2) == "running"
    blog.run("raise")
    assert blog.on(431, "podman", "inspect", "-f", "{{.State.Status}}", "blog_web_1", life=2) == "running"


def test_it_is_the_same_over_ssh(room: Path) -> None:
    (room / "ssh").mkdir()
    castle = Blog(room / "ssh", transport="ssh")
    try:
        castle.raise_()
        assert castle.data("status")["state"] == "up"
    finally:
        castle.down()

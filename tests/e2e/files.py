"""A castle of machines and files only, and a tree in which everything is that a tree may hold."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.castles import TestCastle
from tests.e2e.objects import names

DEFINITION = """\
castle: {name}
budget: {{rto: 60s, rpo: 60s}}
proof: {{max_age: {max_age}}}
treasury: {treasury}
layers:
  machines: {{role: ground}}
  uploads: {{role: treasures, needs: [machines]}}
sites:
  here:
    layers:
      machines:
        driver: podman
        transport: {transport}
        machines:
          data: {{id: 431, memory: 1GiB}}
      uploads:
        driver: restic
        machine: data
        volume: blog_uploads
        keep: {{last: 2, daily: 0, weekly: 0, monthly: 0}}
"""
DATA = "/var/lib/containers/storage/volumes/blog_uploads/_data"
FILL = r"""
set -e
cd "$1"
mkdir -p 2026/11 empty
echo one > 2026/11/one.txt
head -c 3000000 /dev/urandom > 2026/11/large.bin
printf 'x' > "$(printf 'a\nline')"
printf 'y' > "$(printf 'not-utf8-\377')"
printf 'z' > 'ümläut ✓ "quoted" \back'
: > nothing
ln -s 2026/11/one.txt link
ln -s /nowhere/at/all broken
ln 2026/11/one.txt hard
mkfifo pipe
chown 33:33 . 2026 2026/11 2026/11/one.txt
chown -h 1000:1000 link
chmod 0750 2026
chmod 2775 empty
chmod 0400 2026/11/large.bin
chmod 4711 nothing
touch -d '2020-02-03T04:05:06.123456789' 2026/11/one.txt
touch -d '2019-01-01' .
"""


class FilesCastle(TestCastle):
    """Runs `castle` on a definition with one `restic` layer."""

    def write(self, *, transport: str = "podman", max_age: str = "1ms", text: str = DEFINITION) -> None:
        """Writes the definition."""
        self.file.write_text(text.format(name=self.name, max_age=max_age, treasury=self.treasury, transport=transport))

    def on_machine(self, script: str, *args: str, life: int = 0, ok: bool = True) -> subprocess.CompletedProcess[str]:
        """A shell script on the machine of a life; 0: the one that stands."""
        machine = f"{self.name}-{life or self.life()}-431"
        result = self.podman("exec", "-i", machine, "sh", "-c", script, "sh", *args)
        assert result.returncode == 0 or not ok, result.stderr
        return result

    def fill(self, life: int = 0) -> None:
        """Puts the tree into the volume."""
        self.on_machine(FILL, DATA, life=life)

    def listing(self, life: int = 0, folder: str = DATA) -> str:
        """Everything that a copy must keep, by other means than castle's own: find and sha256sum."""
        script = (
            'cd "$1" && { find . ! -type l -printf "%P|%y|%m|%U|%G|%n|%T@\\n"; '
            'find . -type l -printf "%P|%l|%U|%G\\n"; '
            "find . -type f -print0 | xargs -0 -r sha256sum; } | cat -v | LC_ALL=C sort"
        )
        return self.on_machine(script, folder, life=life).stdout

    def bucket(self) -> Path:
        """The directory of the repository's objects."""
        return (
            self.here.base / "state" / f"{self.name}.treasury" / "store" / self.name / self.name / "restic" / "uploads"
        )

    def snapshots(self) -> set[str]:
        """Ids of the snapshots in the repository."""
        return set(names(self, "restic/uploads/snapshots"))

    def restic(self, script: str, host: str) -> str:
        """Shell lines beside restic on the machine that stands, with the writer's keys, from a host of that name."""
        images = self.podman(
            "exec", f"{self.name}-{self.life()}-431", "podman", "images", "-n", "--format", "{{.Repository}}:{{.Tag}}"
        )
        image = next(line for line in images.stdout.splitlines() if "castle-restic" in line)
        return self.on_machine(
            'image=$1 host=$2; shift 2; treasury=$(awk "/treasury.castle/ {print \\$1; exit}" /etc/hosts); '
            'podman run --rm --name by-hand --hostname "$host" --network host --add-host "treasury.castle:$treasury" '
            '-v /run/castle/uploads:/run/castle:ro "$image" sh -c ". /run/castle/env; $1"',
            image, host, script,
        ).stdout  # fmt: skip

    def lock(self, host: str) -> None:
        """Leaves an exclusive lock behind, as a restic does that is killed."""
        self.restic(
            "restic $options check --read-data --limit-download 1 >/tmp/said 2>&1 & pid=$!; "
            'until [ -n "$(restic $options list locks --no-lock)" ]; do sleep 0.1; done; kill -9 $pid',
            host,
        )

    def locks(self) -> list[str]:
        """Names of locks in the repository."""
        return names(self, "restic/uploads/locks")


@contextlib.contextmanager
def standing(**options: str) -> Iterator[FilesCastle]:
    """A castle with files in its first life; no trace of it stays."""
    made = FilesCastle(Path(tempfile.mkdtemp(prefix="castle-files-", dir="/var/tmp")), **options)
    try:
        made.raise_()
        made.fill(1)
        yield made
    finally:
        made.down()

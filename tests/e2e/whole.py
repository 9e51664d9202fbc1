"""The example castle as a test has it: a repository and a name server of its own, a reader outside, and its judges."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.message
import dns.query

from ephemeral_castle.world.keys import KeyFile
from tests.e2e.castles import TestCastle

ROOT = Path(__file__).parents[2]
KNOT, READER, EXAMPLE = ROOT / "testbed/knot.py", ROOT / "testbed/reader.py", ROOT / "examples/here"
NAME, GATEWAY = "blog.castle.example", "10.89.77.1"
FILES, MEGABYTES = 8, 4  # of uploads


class WholeCastle(TestCastle):
    """The example castle, with a repository and a name server of its own."""

    def __init__(self, base: Path) -> None:
        self.server: dict[str, Any] = json.loads(self.knot(base, "start"))
        self.repository = self._repository(base)
        super().__init__(base)
        (base / "init.sql").write_text((EXAMPLE / "init.sql").read_text())
        keys = base / "castle.key"
        KeyFile.generate(self.name).write(keys)
        keys.write_text(keys.read_text() + f'\n[secrets]\n"dns/tsig" = "{self.server["key"]}"\n')

    def write(self, *, transport: str = "podman", max_age: str = "1ms") -> None:
        text = (EXAMPLE / "castle.yaml").read_text()
        for old, new in (
            ("castle: here", f"castle: {self.name}"),
            ("treasury: {url: s3://castle-here, server: here}", f"treasury: {self.treasury}"),
            ("/var/tmp/castle-demo/castle.git", str(self.repository)),
            ("127.0.0.1:15353", self.server["server"]),
            ("memory: 2GiB", "memory: 1GiB"),
        ):
            assert old in text, old
            text = text.replace(old, new)
        self.file.write_text(text)

    @staticmethod
    def knot(base: Path, verb: str) -> str:
        """Starts or stops the name server."""
        command = [sys.executable, str(KNOT), verb, str(base / "names")]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    @staticmethod
    def _repository(base: Path) -> Path:
        bare = base / "castle.git"
        env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_DIR": str(bare)}
        env |= {"GIT_WORK_TREE": str(EXAMPLE / "castle"), "GIT_INDEX_FILE": str(base / "index")}
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(bare)], check=True)
        for words in (("add", "-A", "."), ("-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "-m", "blog")):
            subprocess.run(["git", *words], env=env, cwd=EXAMPLE / "castle", check=True)
        return bare

    def names(self) -> str:
        """The zone as the server has it: whatever changes a zone raises its serial number."""
        path = self.base / "names" / "zone"
        return "".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith(";;"))

    def answer(self) -> list[str]:
        """Addresses of the blog, as its name server says now."""
        host, _, port = str(self.server["server"]).rpartition(":")
        said = dns.query.tcp(dns.message.make_query(NAME, "A"), host, port=int(port), timeout=5)
        return [rdata.to_text() for each in said.answer for rdata in each]

    def get(self, path: str = "/") -> tuple[str, int, str]:
        """What somebody sees who follows the name from inside: the address, the status, the page."""
        address = next(iter(self.answer()), "")
        ca = self.base / "ca.pem"
        if not ca.exists():
            ca.write_text(self.secret("certificate/certificate/ca"))
        curl = ["curl", "--silent", "--max-time", "5", "--cacert", str(ca), "--resolve", f"{NAME}:443:{address}"]
        curl += ["--write-out", "\n%{http_code}", f"https://{NAME}{path}"]
        namespace = next(path for path in Path("/run/netns").glob(f"castle-{self.name}*") if "drill" not in path.name)
        command = ["nsenter", f"--net={namespace}", *curl]
        text, _, status = subprocess.run(command, capture_output=True, text=True, check=False).stdout.rpartition("\n")
        return address, int(status or 0), text

    def secret(self, name: str) -> str:
        """A secret of the castle."""
        return self.run("secret", "get", name).stdout

    def serial(self) -> str:
        """Of the certificate that a reader is shown."""
        door = self.data("status")["addresses"]["blog-edge"]
        command = ["openssl", "s_client", "-connect", door, "-servername", NAME]
        shown = subprocess.run(command, input="", capture_output=True, text=True, check=False).stdout
        command = ["openssl", "x509", "-noout", "-serial"]
        return subprocess.run(command, input=shown, capture_output=True, text=True, check=True).stdout.strip()

    def upload(self) -> str:
        """A reader outside puts the files that are not there yet."""
        return self._reader("put")

    def read(self) -> dict[str, Any]:
        """What that reader finds: every file byte for byte, and the newest row that a writer was told is kept."""
        found: dict[str, Any] = json.loads(self._reader("check", "--log", str(self.base / "acknowledged")))
        return found

    def _reader(self, verb: str, *more: str) -> str:
        door, ca = self.data("status")["addresses"]["blog-edge"], self.base / "ca.pem"
        ca.write_text(self.secret("certificate/certificate/ca"))
        command = [sys.executable, str(READER), verb, "--door", door, "--ca", str(ca), *more]
        command += ["--files", str(FILES), "--megabytes", str(MEGABYTES)]
        env = {**self.here.env(), "UPLOAD_TOKEN": self.secret("blog/upload_token").strip()}
        result = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
        assert result.returncode in {0, 1}, result.stderr
        assert result.stdout, result.stderr
        return result.stdout

    def containers(self, life: int) -> dict[str, str]:
        """Ids of machines, and of every container inside of them, with the time of its start."""
        form = "{{.Names}} {{.ID}} {{.StartedAt}}"
        found = {"machines": self.podman("ps", "-a", "--no-trunc", "--format", form).stdout}
        for machine in (421, 431, 432):
            inside = self.podman("exec", f"{self.name}-{life}-{machine}", "podman", "ps", "-a", "--format", form)
            assert inside.returncode == 0, inside.stderr
            found[str(machine)] = inside.stdout
        return {name: "\n".join(sorted(text.splitlines())) for name, text in found.items()}

    def kill(self, machine: int, life: int) -> None:
        """One machine dies, with all that runs on it."""
        assert self.podman("kill", f"{self.name}-{life}-{machine}").returncode == 0


@contextlib.contextmanager
def standing() -> Iterator[WholeCastle]:
    """The whole castle in its first life; no trace of it stays."""
    made = WholeCastle(Path(tempfile.mkdtemp(prefix="castle-e2e-", dir="/var/tmp")))
    try:
        made.raise_()
        yield made
    finally:
        made.knot(made.base, "stop")
        made.down()

"""A real registry of images (Debian's docker-registry) on the loopback: for tests and for clusters of this computer.

python testbed/registry.py start DIR [--port PORT] [--storage STORAGE]
python testbed/registry.py stop DIR

`start` prints a line of JSON: `address` (HOST:PORT), `storage`, `pid`. Started again in the same directory it has the
same port and storage; one that runs already is left alone. Images lie in STORAGE (without it in castle's cache, shared
by all registries of this computer) under the path of their upstream name: `registry.k8s.io/pause:3.10.2` is
`pause:3.10.2` here, which is what containerd and podman ask a mirror for. Needs no root and speaks plain HTTP; whoever
works on this computer can push.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

CACHE = Path(os.environ.get("CASTLE_CACHE", "/var/cache/ephemeral-castle"))
UNPACKED = CACHE / "docker-registry/usr/bin/docker-registry"  # scripts/setup puts it there; it is never a service
STORAGE = CACHE / "kubernetes/registry"
READY = 10.0  # seconds
CONFIGURATION = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {storage}}}
  cache: {{blobdescriptor: inmemory}}
http: {{addr: 127.0.0.1:{port}, secret: {secret}}}
"""


def program() -> str | None:
    """Path of docker-registry, or None where it is not."""
    return shutil.which("docker-registry") or (str(UNPACKED) if UNPACKED.exists() else None)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def taken(port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection that just ended is no listener
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False


def running(directory: Path) -> int:
    """Process id of the registry of this directory, or 0."""
    try:
        pid = int((directory / "pid").read_text())
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return 0
    return pid if str(directory / "registry.yml").encode() in arguments.split(b"\0") else 0


def prepare(directory: Path, port: int, storage: Path) -> dict[str, object]:
    """Writes the configuration, unless an earlier start did; says where the registry is."""
    described = directory / "server.json"
    if described.exists():
        found: dict[str, object] = json.loads(described.read_text())
        if port and found["address"] != f"127.0.0.1:{port}":
            sys.exit(f"registry: {directory} belongs to a registry at {found['address']}: remove it, or take its port")
        return found
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    storage.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    text = CONFIGURATION.format(storage=json.dumps(str(storage)), port=port, secret=secrets.token_hex(16))
    (directory / "registry.yml").write_text(text)
    described.write_text(json.dumps({"address": f"127.0.0.1:{port}", "storage": str(storage)}))
    return {"address": f"127.0.0.1:{port}", "storage": str(storage)}


def answers(address: str) -> bool:
    """Whether a registry answers there."""
    connection = http.client.HTTPConnection(address, timeout=2)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().headers.get("Docker-Distribution-Api-Version") == "registry/2.0"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def start(directory: Path, port: int = 0, storage: Path = STORAGE) -> dict[str, object]:
    """Starts it and waits until it answers.

    Args:
        directory: its configuration, process id and log.
        port: of the loopback; 0 for any free one.
        storage: where images lie.
    """
    directory = directory.resolve()
    found = prepare(directory, port, storage.resolve())
    pid = running(directory)
    if not pid:
        pid = _launch(directory, str(found["address"]))
    until = time.monotonic() + READY
    while not answers(str(found["address"])) or running(directory) != pid:
        # A zombie has no arguments: one that ended at once is not running, also before it is waited for.
        if time.monotonic() > until or not running(directory):
            said = (directory / "log").read_text(errors="replace")[-500:]
            sys.exit(f"registry: it does not answer at {found['address']}; its log {directory}/log ends with:\n{said}")
        time.sleep(0.05)
    return {**found, "pid": pid}


def _launch(directory: Path, address: str) -> int:
    path = program()
    if path is None:
        sys.exit("registry: docker-registry is missing: make setup")
    if taken(int(address.rpartition(":")[2])):  # else the other one's answer would pass for that of ours
        sys.exit(f"registry: something else listens at {address}: end it, or start with another --port and directory")
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            [path, "serve", str(directory / "registry.yml")],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    (directory / "pid").write_text(str(process.pid))
    while not running(directory) and process.poll() is None:  # between fork and exec it bears our own arguments
        time.sleep(0.01)
    return process.pid


def stop(directory: Path) -> None:
    """Ends it, and waits until it is gone; images and port stay."""
    directory = directory.resolve()
    pid = running(directory)
    if not pid:
        return
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + READY
    while running(directory):
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    (directory / "pid").unlink(missing_ok=True)


def main() -> int:
    """Parses the command line and does it."""
    parser = argparse.ArgumentParser(description="a registry of images on the loopback")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("start", "stop"):
        one = verbs.add_parser(verb)
        one.add_argument("directory", type=Path)
        if verb == "start":
            one.add_argument("--port", type=int, default=0, help="any free one without it")
            one.add_argument("--storage", type=Path, default=STORAGE, help=f"directory of images ({STORAGE})")
    args = parser.parse_args()
    if args.verb == "start":
        print(json.dumps(start(args.directory, args.port, args.storage)))
    else:
        stop(args.directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A real authoritative name server (Knot) on the loopback, with one zone and one key: for tests and for the demo.

python testbed/knot.py start DIR --zone castle.example [--port PORT] [--line "www CNAME elsewhere.example."]...
python testbed/knot.py stop DIR

`start` prints a line of JSON: `server` (HOST:PORT), `key` (ALGORITHM:NAME:BASE64), `zone`, `pid`. Started again in the
same directory it has the same port, key and zone data; one that runs already is left alone. Needs no root.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

CACHE = Path(os.environ.get("CASTLE_CACHE", "/var/cache/ephemeral-castle"))
UNPACKED = CACHE / "knot/usr/sbin/knotd"  # scripts/setup puts it there, so that no service of Debian's starts
READY = 10.0  # seconds
CONFIGURATION = """\
server:
  rundir: {directory}/run
  listen: 127.0.0.1@{port}
log:
  - target: stderr
    any: info
database:
  storage: {directory}/journal
key:
  - id: {name}
    algorithm: {algorithm}
    secret: {secret}
acl:
  - id: castle
    key: {name}
    action: [update, transfer]
zone:
  - domain: {zone}
    storage: {directory}
    file: zone
    zonefile-sync: 0
    acl: castle
"""
ZONE = """\
$ORIGIN {zone}.
$TTL 60
@ SOA ns1 hostmaster 1 3600 600 86400 5
@ NS ns1
ns1 A 127.0.0.1
"""


def program() -> str:
    """Path of knotd."""
    found = shutil.which("knotd") or (str(UNPACKED) if UNPACKED.exists() else "")
    if not found:
        sys.exit("knot: knotd is missing: make setup")
    return found


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def running(directory: Path) -> int:
    """Process id of the server of this directory, or 0."""
    try:
        pid = int((directory / "pid").read_text())
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return 0
    return pid if str(directory / "knot.conf").encode() in arguments.split(b"\0") else 0


def prepare(directory: Path, zone: str, port: int, lines: list[str]) -> dict[str, object]:
    """Writes configuration, key and zone, unless an earlier start did."""
    described = directory / "server.json"
    if described.exists():
        return dict(json.loads(described.read_text()))
    for each in ("run", "journal"):
        (directory / each).mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    key = ("hmac-sha256", "castle", base64.b64encode(secrets.token_bytes(32)).decode())
    text = CONFIGURATION.format(
        directory=directory, port=port or free_port(), zone=zone, algorithm=key[0], name=key[1], secret=key[2]
    )
    (directory / "knot.conf").write_text(text)
    (directory / "zone").write_text(ZONE.format(zone=zone) + "".join(f"{line}\n" for line in lines))
    listening = text.split("listen: 127.0.0.1@")[1].split()[0]
    found: dict[str, object] = {"server": f"127.0.0.1:{listening}", "key": ":".join(key), "zone": zone}
    described.write_text(json.dumps(found))
    described.chmod(0o600)
    return found


def start(directory: Path, zone: str, port: int, lines: list[str]) -> dict[str, object]:
    """Starts it and waits until it speaks for its zone."""
    found = prepare(directory, zone, port, lines)
    pid, process = running(directory), None
    if not pid:
        # After a kill its own mark stays, and a process that nobody has waited for would pass for a living one.
        (directory / "run" / "knot.pid").unlink(missing_ok=True)
        with (directory / "log").open("ab") as log:
            process = subprocess.Popen(
                [program(), "-c", str(directory / "knot.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        pid = process.pid
        (directory / "pid").write_text(str(pid))
    until = time.monotonic() + READY
    while not answers(str(found["server"]), str(found["zone"])):
        if time.monotonic() > until or (process is not None and process.poll() is not None):
            sys.exit(f"knot: it does not answer; its last words:\n{(directory / 'log').read_text()[-2000:]}")
        time.sleep(0.02)
    return {**found, "pid": pid}


def answers(server: str, zone: str) -> bool:
    """Whether it gives the SOA of its zone: one question by UDP."""
    host, _, port = server.rpartition(":")
    name = b"".join(bytes([len(part)]) + part.encode() for part in zone.split(".")) + b"\0"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking, contextlib.suppress(OSError):
        asking.settimeout(0.5)
        asking.connect((host, int(port)))
        asking.send(struct.pack("!6H", 1, 0, 1, 0, 0, 0) + name + struct.pack("!2H", 6, 1))
        return bool(struct.unpack("!6H", asking.recv(512)[:12])[3] == 1)
    return False


def stop(directory: Path) -> None:
    """Ends it, by its process id; returns when it is gone."""
    pid = running(directory)
    if not pid:
        return
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + READY
    while running(directory):
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def main() -> int:
    """See the head of this file."""
    parser = argparse.ArgumentParser(description="a name server for tests and the demo")
    parser.add_argument("verb", choices=("start", "stop"))
    parser.add_argument("directory", type=Path)
    parser.add_argument("--zone", default="castle.example")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--line", action="append", default=[], help="another record, as in a zone file")
    asked = parser.parse_args()
    directory = asked.directory.resolve()
    if asked.verb == "stop":
        stop(directory)
    else:
        print(json.dumps(start(directory, asked.zone, asked.port, asked.line)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

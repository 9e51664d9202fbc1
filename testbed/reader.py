"""A reader of the demo's blog, outside of the castle: puts uploads there, and later looks whether all is back.

    python testbed/reader.py put   --door HOST:PORT --ca CA.pem --files 40 --megabytes 20     # token in UPLOAD_TOKEN
    python testbed/reader.py check --door HOST:PORT --ca CA.pem --files 40 --megabytes 20 --log ACKNOWLEDGED

The door is the loopback address that leads to the blog; its name and certificate are checked as a browser would. What a
file holds follows from its name, so `check` needs nothing but the same numbers.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import random
import re
import socket
import ssl
import sys
import time
from pathlib import Path

NAME = "blog.castle.example"
WITHIN = 10.0  # seconds for one request
PATIENCE = 15.0  # seconds for the blog to show the writer's last row


class Door(http.client.HTTPSConnection):
    """HTTPS to a name, through an address that is not its own."""

    def __init__(self, door: str, ca: Path, name: str) -> None:
        self.trusted = ssl.create_default_context(cafile=str(ca))
        super().__init__(name, timeout=WITHIN, context=self.trusted)
        host, _, port = door.rpartition(":")
        self.door = (host, int(port))

    def connect(self) -> None:
        """Connects to the door and expects the blog's certificate."""
        plain = socket.create_connection(self.door, WITHIN)
        self.sock = self.trusted.wrap_socket(plain, server_hostname=self.host)


def content(number: int, size: int) -> bytes:
    """The bytes of one upload."""
    return random.Random(number).randbytes(size)


def ask(door: Door, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """Status and body of one request."""
    headers = {"Authorization": f"Bearer {os.environ.get('UPLOAD_TOKEN', '')}"} if method == "PUT" else {}
    door.request(method, path, body or None, headers)
    answer = door.getresponse()
    return answer.status, answer.read()


def put(door: Door, files: int, size: int) -> int:
    """Uploads what is not there yet; gives how many."""
    new = 0
    for number in range(files):
        path = f"/uploads/picture-{number:03}.bin"
        if ask(door, "GET", path)[0] == http.client.OK:
            continue
        status, said = ask(door, "PUT", path, content(number, size))
        if status != http.client.CREATED:
            sys.exit(f"reader: {path}: status {status}: {said[:200]!r}")
        new += 1
    return new


def same(door: Door, number: int, size: int) -> bool:
    """Whether one upload is there, byte for byte."""
    status, body = ask(door, "GET", f"/uploads/picture-{number:03}.bin")
    wanted = hashlib.sha256(content(number, size)).digest()
    return status == http.client.OK and hashlib.sha256(body).digest() == wanted


def shown(door: Door) -> int:
    """The newest row of the writer that the front page shows."""
    status, body = ask(door, "GET", "/")
    found = re.search(rb'id="last">(\d+)<', body)
    return int(found[1]) if status == http.client.OK and found else 0


def last_of(log: Path) -> int:
    """The newest row that the writer was told is kept."""
    return max((int(line.split()[0]) for line in log.read_text(encoding="utf-8").splitlines() if line), default=0)


def check(door: Door, files: int, size: int, log: Path) -> dict[str, object]:
    """What a reader finds after the return."""
    wanted, end = last_of(log), time.monotonic() + PATIENCE
    while (seen := shown(door)) < wanted and time.monotonic() < end:
        time.sleep(0.1)
    back = sum(same(door, number, size) for number in range(files))
    return {"files": files, "files_back": back, "last_row": wanted, "last_shown": seen,
            "well": back == files and seen >= wanted > 0}  # fmt: skip


def main() -> int:
    """Parses the command line; exit status 1: something is not as it was."""
    parser = argparse.ArgumentParser(description="a reader of the demo's blog")
    parser.add_argument("verb", choices=("put", "check"))
    parser.add_argument("--door", required=True, help="HOST:PORT that leads to the blog")
    parser.add_argument("--ca", type=Path, required=True, help="the castle's own CA")
    parser.add_argument("--name", default=NAME, help=f"name of the blog ({NAME})")
    parser.add_argument("--files", type=int, default=40, help="uploads; 0 for a blog that keeps none")
    parser.add_argument("--megabytes", type=int, default=20, help="of all files together")
    parser.add_argument("--log", type=Path, help="the writer's log of acknowledged rows")
    args = parser.parse_args()
    door, size = Door(args.door, args.ca, args.name), args.megabytes * 1_000_000 // max(args.files, 1)
    if args.verb == "put":
        print(f"reader: {put(door, args.files, size)} of {args.files} files uploaded, {args.megabytes} MB in all")
        return 0
    found = check(door, args.files, size, args.log)
    print(json.dumps(found))
    return 0 if found["well"] else 1


if __name__ == "__main__":
    sys.exit(main())

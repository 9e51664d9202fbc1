"""A real Git host on the loopback, read-only: git-http-backend(1) over HTTP, for clusters of this computer.

python testbed/git_host.py start DIR --root ROOT --port PORT
python testbed/git_host.py stop DIR

ROOT holds bare repositories; `http://HOST:PORT/NAME.git` is ROOT/NAME.git. `start` prints a line of JSON: `address`,
`pid`; one that runs already in DIR is left alone. Nobody can push.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

READY = 10.0  # seconds


class Backend(BaseHTTPRequestHandler):
    """One request, by CGI."""

    root = ""
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The list of refs."""
        self._answer(b"")

    def do_POST(self) -> None:
        """What somebody fetches."""
        self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def log_message(self, *_: object) -> None:
        """Keeps quiet."""

    def _answer(self, body: bytes) -> None:
        asked = urlsplit(self.path)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": self.root,
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.receivepack",
            "GIT_CONFIG_VALUE_0": "false",
            "PATH_INFO": asked.path,
            "QUERY_STRING": asked.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        self.send_response(int(headers.pop("Status", "200 OK").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def running(directory: Path) -> int:
    """Process id of the host of this directory, or 0."""
    try:
        pid = int((directory / "pid").read_text())
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return 0
    return pid if b"serve" in arguments and str(directory).encode() in arguments else 0


def start(directory: Path, root: Path, port: int) -> dict[str, object]:
    """Starts it and waits until it listens."""
    directory.mkdir(parents=True, exist_ok=True)
    found: dict[str, object] = {"address": f"127.0.0.1:{port}"}
    pid = running(directory)
    if pid:
        return {**found, "pid": pid}
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, __file__, "serve", str(directory), "--root", str(root), "--port", str(port)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    (directory / "pid").write_text(str(process.pid))
    until = time.monotonic() + READY
    while not listens(port):
        if process.poll() is not None or time.monotonic() > until:
            said = (directory / "log").read_text(errors="replace")[-500:]
            sys.exit(f"git_host: it does not answer at 127.0.0.1:{port}; its log {directory}/log ends with:\n{said}")
        time.sleep(0.02)
    return {**found, "pid": process.pid}


def listens(port: int) -> bool:
    """Whether somebody does."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stop(directory: Path) -> None:
    """Ends it, by its process id; returns when it is gone."""
    pid = running(directory)
    if pid:
        os.kill(pid, signal.SIGTERM)
    while running(directory):
        time.sleep(0.02)
    (directory / "pid").unlink(missing_ok=True)


def serve(root: Path, port: int) -> None:
    """Answers until it is ended."""
    Backend.root = str(root)
    ThreadingHTTPServer(("127.0.0.1", port), Backend).serve_forever()


def main() -> int:
    """See the head of this file."""
    parser = argparse.ArgumentParser(description="a Git host on the loopback")
    parser.add_argument("verb", choices=("start", "stop", "serve"))
    parser.add_argument("directory", type=Path)
    parser.add_argument("--root", type=Path, default=Path())
    parser.add_argument("--port", type=int, default=0)
    asked = parser.parse_args()
    directory = asked.directory.resolve()
    if asked.verb == "stop":
        stop(directory)
    elif asked.verb == "serve":
        serve(asked.root.resolve(), asked.port)
    else:
        print(json.dumps(start(directory, asked.root.resolve(), asked.port)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

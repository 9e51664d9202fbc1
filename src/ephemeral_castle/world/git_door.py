"""Lets the machines of a castle read one Git repository over HTTP, where its own host does not answer.

    python -m ephemeral_castle.world.git_door --listen HOST:PORT --repository DIR --pid-file FILE

Read only, by git-http-backend(1), on an address of the castle's own network namespace: nobody else can reach it. It
lives detached from whoever started it, until SIGTERM.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from ephemeral_castle.world.forward import EXIT_FAILED, EXIT_TAKEN, detach
from ephemeral_castle.world.pidfile import ProcessMark

NAME = "castle.git"
SERVED = {"GET": f"/{NAME}/info/refs", "POST": f"/{NAME}/git-upload-pack"}
QUERY = "service=git-upload-pack"
LARGEST = 16 * 1024 * 1024  # bytes of a request: what a client has, and what it wants
SECONDS = 300.0  # for one answer


class Door(BaseHTTPRequestHandler):
    """One request, by CGI; what is not asked for by a fetch is not there."""

    repository = Path()
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The list of refs."""
        self._answer()

    def do_POST(self) -> None:
        """What somebody fetches."""
        self._answer()

    def log_message(self, *_: object) -> None:
        """Keeps quiet."""

    def _answer(self) -> None:
        asked = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        known = SERVED.get(self.command) == asked.path and (self.command == "POST" or asked.query == QUERY)
        if not known or length > LARGEST or self.headers.get("Transfer-Encoding"):
            self._say(404, {}, b"")
            return
        done = subprocess.run(
            ["git", "http-backend"], input=self.rfile.read(length), env=self._environment(asked.query, length),
            capture_output=True, check=False, timeout=SECONDS,
        )  # fmt: skip
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        status = int(headers.pop("Status", "200 OK" if done.returncode == 0 else "500").split()[0])
        self._say(status, headers, body)

    def _environment(self, query: str, length: int) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": "/nonexistent",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_PROJECT_ROOT": str(self.repository.parent),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{self.repository.name}{urlsplit(self.path).path.removeprefix(f'/{NAME}')}",
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }

    def _say(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(arguments: list[str] | None = None) -> int:
    """The command; gives its exit status: 98 when the port is taken, 1 for other errors."""
    parser = argparse.ArgumentParser(prog="python -m ephemeral_castle.world.git_door", description=__doc__)
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--repository", required=True, type=Path, help="bare repository")
    parser.add_argument("--pid-file", required=True, type=Path, help="written when requests are answered")
    parser.add_argument("--mark", default="", help="kept in the pid file")
    options = parser.parse_args(arguments)
    host, _, port = options.listen.rpartition(":")
    Door.repository = options.repository
    try:
        server = ThreadingHTTPServer((host, int(port)), Door)
    except OSError as error:
        sys.stderr.write(f"{error.strerror or error}\n")
        return EXIT_TAKEN if error.errno == EXIT_TAKEN else EXIT_FAILED
    if not detach():
        return 0
    mark = ProcessMark.of(os.getpid(), options.mark)
    if mark:
        mark.write(options.pid_file)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())

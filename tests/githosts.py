"""Hosts of Git repositories for tests: a repository that people push to, served from its path, over HTTPS or by SSH."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ephemeral_castle.model.castle import Repository
from ephemeral_castle.world.certificates import ensure_certificates
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.exec import LocalExec
from ephemeral_castle.world.git import GitSource
from ephemeral_castle.world.git_copies import GitCopies
from ephemeral_castle.world.keys import KeyFile
from ephemeral_castle.world.simulated import MemoryObjects, MemorySecrets

CACHE = Path(os.environ.get("CASTLE_CACHE", "/var/cache/ephemeral-castle"))
QUIET = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    **{
        f"GIT_{who}_{what}": f"{who.lower()}@example.org"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    },
}
NOBODY = 65534


class Origin:
    """A bare repository, and commits in it made without a work tree."""

    def __init__(self, directory: Path, *, counted_by: str = "sha1") -> None:
        self.directory = directory
        self.git("init", "--quiet", "--bare", "--initial-branch=main", f"--object-format={counted_by}", str(directory))

    def git(self, *args: str, stdin: bytes = b"") -> str:
        """Runs git in it; gives what it printed."""
        argv = ["git", f"--git-dir={self.directory}", *args]
        return subprocess.run(argv, input=stdin, capture_output=True, check=True, env=QUIET).stdout.decode().strip()

    def blob(self, content: bytes) -> str:
        """Stores a content; gives its id."""
        return self.git("hash-object", "-w", "--stdin", stdin=content)

    def tree(self, *lines: str) -> str:
        """A tree of `MODE TYPE ID<tab>NAME` lines, checked by nobody."""
        return self.git("mktree", "--missing", stdin="".join(f"{line}\n" for line in lines).encode())

    def commit_tree(self, tree: str, *, branch: str = "main", message: str = "a commit", parent: bool = True) -> str:
        """A commit of a tree on a branch."""
        before = self.git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}") if parent else ""
        sha = self.git("commit-tree", tree, "-m", message, *(("-p", before) if before else ()))
        self.git("update-ref", f"refs/heads/{branch}", sha)
        return sha

    def commit(self, files: dict[str, Any], **how: Any) -> str:
        """A commit of files: text or bytes, `("755", content)`, `("link", target)`, nested dicts for folders."""
        return self.commit_tree(self._tree(files), **how)

    def _tree(self, files: dict[str, Any]) -> str:
        lines = []
        for name, what in files.items():
            if isinstance(what, dict):
                lines.append(f"040000 tree {self._tree(what)}\t{name}")
                continue
            kind, content = what if isinstance(what, tuple) else ("644", what)
            mode = "120000" if kind == "link" else f"100{kind}"
            raw = content if isinstance(content, bytes) else content.encode()
            lines.append(f"{mode} blob {self.blob(raw)}\t{name}")
        return self.tree(*lines)


class Place:
    """One castle's side: its secrets, its treasury, and its directory on a computer, which may be lost."""

    def __init__(self, base: Path, objects: Any = None) -> None:
        self.home = base / "state" / "git"
        self.secrets = MemorySecrets()
        self.objects = objects or MemoryObjects(SystemClock())
        self.keys = KeyFile.generate("test")

    def source(self, repository: Repository) -> GitSource:
        """A source as a new process makes it."""
        copies = GitCopies(self.objects, self.keys.encrypt, self.keys.decrypt)
        return GitSource(repository, self.secrets, copies, LocalExec(), SystemClock(), self.home)

    def lose_computer(self) -> None:
        """Another computer, where nothing was fetched yet."""
        shutil.rmtree(self.home.parent)


def free_port() -> int:
    """A port of the loopback that nobody holds now."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


class HttpsHost:
    """`git http-backend` behind TLS.

    Attributes:
        token: the password that is asked for, with any account; "" for none.
        delay: seconds before each answer.
        status: what is answered instead, 0 for the truth.
        move: where requests are sent on to, "" for nowhere.
        old: speak the first version of the protocol, which hands out what has a name only.
        seen: authorization of each request.
    """

    def __init__(self, root: Path, base: Path) -> None:
        self.root, self.token, self.delay, self.status, self.move = root, "", 0.0, 0, ""
        self.old = False
        self.seen: list[str] = []
        issued = ensure_certificates(base, ("127.0.0.1",), time.time())
        self.ca = str(issued.ca)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.chain, issued.key)
        host = self

        class Handler(_Backend):
            owner = host

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Address of the repository."""
        return f"https://127.0.0.1:{self.port}/castle.git"

    def stop(self) -> None:
        """Nobody answers any more."""
        self.server.shutdown()
        self.server.server_close()


class _Backend(BaseHTTPRequestHandler):
    """One request, by CGI (git-http-backend(1))."""

    owner: HttpsHost
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        owner, given = self.owner, self.headers.get("Authorization", "")
        owner.seen.append(given)
        time.sleep(owner.delay)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if owner.move:
            self._say(302, b"", {"Location": owner.move + self.path})
        elif owner.status:
            self._say(owner.status, b"no\n", {})
        elif owner.token and base64.b64decode(given.removeprefix("Basic ")).decode().partition(":")[2] != owner.token:
            self._say(401, b"no\n", {"WWW-Authenticate": 'Basic realm="git"'})
        else:
            self._say(*self._backend(body))

    def _backend(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        path, _, query = self.path.partition("?")
        env = {
            **QUIET,
            "GIT_PROJECT_ROOT": str(self.owner.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": "" if self.owner.old else self.headers.get("Git-Protocol", ""),
        }
        out = subprocess.run(["git", "http-backend"], input=body, capture_output=True, env=env, check=False).stdout
        head, _, content = out.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
        return int(headers.pop("Status", "200").split()[0]), content, headers

    def _say(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)


# Its own accounts and its own /run, seen by this sshd alone.
_SSHD = """
mount --bind "$1/passwd" /etc/passwd && mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec "$2" -D -e -f "$1/conf"
"""


def sshd() -> str:
    """The SSH server of the system, or the one that `scripts/setup` unpacked."""
    found = [path for path in (Path("/usr/sbin/sshd"), CACHE / "openssh-server/usr/sbin/sshd") if path.exists()]
    assert found, "no sshd on this computer: scripts/setup unpacks one"
    return str(found[0])


class SshHost:
    """A real sshd on a loopback port, with an account `git` of its own. Needs root."""

    def __init__(self, origin: Origin, base: Path) -> None:
        self.binary = sshd()
        self.base, self.port = base, free_port()
        base.mkdir(mode=0o755)
        subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", str(origin.directory)], check=True)
        self.path = origin.directory
        passwd = f"root:x:0:0::/root:/bin/sh\nsshd:x:100:{NOBODY}::/run/sshd:/bin/false\n"
        (base / "passwd").write_text(f"{passwd}git:x:{NOBODY}:{NOBODY}::{base}:/bin/sh\n")
        self.key = self.keygen("key")
        (base / "authorized").write_text((base / "key.pub").read_text())
        self.host_key = ""
        self.process: subprocess.Popen[bytes] | None = None
        self.start("host")

    def keygen(self, name: str) -> str:
        """Makes a key pair; gives the private half."""
        file = self.base / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(file)], check=True)
        return file.read_text()

    def start(self, host: str) -> None:
        """Starts it with the host key of that name, made when there is none."""
        if not (self.base / host).exists():
            self.keygen(host)
        self.host_key = (self.base / f"{host}.pub").read_text().strip()
        (self.base / "conf").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.base / host}\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {self.base / 'authorized'}\nStrictModes no\nPasswordAuthentication no\nUseDNS no\n"
            "AcceptEnv GIT_PROTOCOL\n"
        )
        argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _SSHD, "sh", str(self.base), self.binary]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
                return
            time.sleep(0.02)
        raise AssertionError("sshd did not start")

    def stop(self) -> None:
        """Nobody answers any more."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()

    @property
    def url(self) -> str:
        """Address of the repository."""
        return f"ssh://git@127.0.0.1:{self.port}{self.path}"

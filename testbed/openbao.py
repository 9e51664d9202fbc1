"""A real OpenBao on the loopback, on disk and outside of any castle: the store that secrets come from.

python testbed/openbao.py start DIR [--port PORT]
python testbed/openbao.py put DIR PATH        # a JSON object of texts on standard input
python testbed/openbao.py stop DIR

`start` prints a line of JSON: `address` (URL), `mount` (of its key-value engine, version 2), `writer` and `reader`
(files with a token each: the one writes everything there, the other only reads it, as an operator does), `pid`. It
initialises and unseals itself: the key lies in DIR (0700), and so do the tokens. Started again in the same directory it
has the same port, the same tokens and what was written; one that runs already is left alone. Speaks plain HTTP.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

CACHE = Path(os.environ.get("CASTLE_CACHE", "/var/cache/ephemeral-castle"))
PROGRAM = CACHE / "bin/openbao-2.7.2"  # scripts/openbao puts it there
MOUNT = "kv"
NAMES = ("writer", "reader")
READY = 30.0  # seconds; a first start makes its engine, policies and tokens
BASE = """\
storage "raft" {{
  path                   = {data}
  node_id                = "one"
  performance_multiplier = 1
}}
listener "tcp" {{
  address     = "127.0.0.1:{port}"
  tls_disable = true
}}
seal "static" {{
  current_key_id = "one"
  current_key    = {key}
}}
api_addr          = "http://127.0.0.1:{port}"
cluster_addr      = "http://127.0.0.1:{inner}"
default_lease_ttl = "87600h"
max_lease_ttl     = "87600h"
ui                = false
log_level         = "warn"
"""
# Done once, by the server itself: there is no root token that could be left lying about.
FIRST = """\
initialize "store" {{
  request "engine" {{
    operation = "update"
    path      = "sys/mounts/{mount}"
    data      = {{ type = "kv", options = {{ version = "2" }} }}
  }}
  request "writer-policy" {{
    operation = "update"
    path      = "sys/policies/acl/writer"
    data      = {{ policy = {writer_policy} }}
  }}
  request "reader-policy" {{
    operation = "update"
    path      = "sys/policies/acl/reader"
    data      = {{ policy = {reader_policy} }}
  }}
  request "logins" {{
    operation = "update"
    path      = "sys/auth/userpass"
    data      = {{ type = "userpass" }}
  }}
  request "writer" {{
    operation = "update"
    path      = "auth/userpass/users/writer"
    data      = {{ password = {writer}, token_policies = ["writer"], token_ttl = "87600h" }}
  }}
  request "reader" {{
    operation = "update"
    path      = "auth/userpass/users/reader"
    data      = {{ password = {reader}, token_policies = ["reader"], token_ttl = "87600h" }}
  }}
}}
"""


def program() -> str:
    """Path of OpenBao."""
    if not PROGRAM.exists():
        sys.exit(f"openbao: {PROGRAM} is missing: scripts/openbao fetches it")
    return str(PROGRAM)


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
    return pid if f"-config={directory / 'base.hcl'}".encode() in arguments.split(b"\0") else 0


def _write(path: Path, text: str) -> None:
    """Only its owner may read it."""
    path.touch(mode=0o600)
    path.write_text(text)


def prepare(directory: Path, port: int) -> dict[str, object]:
    """Writes configuration, key and tokens, unless an earlier start did; says where the server is."""
    described = directory / "server.json"
    if described.exists():
        found: dict[str, object] = json.loads(described.read_text())
        if port and found["address"] != f"http://127.0.0.1:{port}":
            sys.exit(f"openbao: {directory} belongs to a server at {found['address']}: remove it, or take its port")
        return found
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    (directory / "data").mkdir(mode=0o700, exist_ok=True)
    port = port or free_port()
    key = directory / "seal.key"
    _write(key, base64.b64encode(secrets.token_bytes(32)).decode())
    passwords = {name: secrets.token_hex(16) for name in NAMES}
    _write(directory / "first.json", json.dumps(passwords))
    data, where = json.dumps(str(directory / "data")), json.dumps(f"file://{key}")
    _write(directory / "base.hcl", BASE.format(data=data, port=port, inner=free_port(), key=where))
    policies = {
        "writer_policy": f'path "{MOUNT}/*" {{ capabilities = ["create", "read", "update", "delete", "list"] }}',
        "reader_policy": f'path "{MOUNT}/*" {{ capabilities = ["read", "list"] }}',
    }
    texts = {name: json.dumps(text) for name, text in {**policies, **passwords}.items()}
    _write(directory / "first.hcl", FIRST.format(mount=MOUNT, **texts))
    found = {"address": f"http://127.0.0.1:{port}", "mount": MOUNT,
             **{name: str(directory / f"{name}.token") for name in NAMES}}  # fmt: skip
    described.write_text(json.dumps(found))
    return found


def healthy(address: str) -> bool:
    """Whether it is initialised, unsealed and active (200; 429 is a moment before, 501 and 503 say no)."""
    try:
        with urllib.request.urlopen(f"{address}/v1/sys/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException):
        return False


def _usable(directory: Path, found: dict[str, object]) -> bool:
    """Whether both tokens are there and known. A first start makes them, by passwords that are forgotten with it."""
    if not healthy(str(found["address"])):
        return False
    passwords = directory / "first.json"
    for name, password in (json.loads(passwords.read_text()) if passwords.exists() else {}).items():
        _, answer = call(found, "", "POST", f"auth/userpass/login/{name}", {"password": password})
        token = answer.get("auth", {}).get("client_token")
        if not token:
            return False
        _write(Path(str(found[name])), token)
    return all(call(found, Path(str(found[name])).read_text(), "GET", "auth/token/lookup-self")[0] == 200
               for name in NAMES)  # fmt: skip


def call(
    found: dict[str, object], token: str, method: str, path: str, body: object | None = None
) -> tuple[int, dict[str, Any]]:
    """One request: status and answer. Nothing that answers is (0, {})."""
    request = urllib.request.Request(
        f"{found['address']}/v1/{path}", method=method, headers={"X-Vault-Token": token},
        data=None if body is None else json.dumps(body).encode(),
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        with error, contextlib.suppress(ValueError):
            return error.code, json.loads(error.read() or b"{}")
        return error.code, {}
    except (OSError, http.client.HTTPException):
        return 0, {}


def start(directory: Path, port: int = 0) -> dict[str, object]:
    """Starts it and waits until its store can be used.

    Args:
        directory: its data, key, tokens, process id and log.
        port: of the loopback; 0 for any free one.
    """
    directory = directory.resolve()
    found = prepare(directory, port)
    pid = running(directory) or _launch(directory)
    until = time.monotonic() + READY
    while not _usable(directory, found) or running(directory) != pid:
        if time.monotonic() > until or not running(directory):
            said = (directory / "log").read_text(errors="replace")[-800:]
            sys.exit(f"openbao: no store at {found['address']}; its log {directory}/log ends with:\n{said}")
        time.sleep(0.05)
    for name in ("first.hcl", "first.json"):
        (directory / name).unlink(missing_ok=True)
    return {**found, "pid": pid}


def _launch(directory: Path) -> int:
    names = ("base.hcl", "first.hcl") if (directory / "first.hcl").exists() else ("base.hcl",)
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            [program(), "server", *(f"-config={directory / name}" for name in names)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=directory,
        )  # fmt: skip
    (directory / "pid").write_text(str(process.pid))
    while not running(directory) and process.poll() is None:  # between fork and exec it bears our own arguments
        time.sleep(0.01)
    return process.pid


def put(directory: Path, path: str, texts: dict[str, str]) -> int:
    """Writes a secret; gives its version. Right after a first start the engine may need a moment."""
    found = prepare(directory.resolve(), 0)
    token, until = Path(str(found["writer"])).read_text(), time.monotonic() + 10
    while True:
        code, answer = call(found, token, "POST", f"{MOUNT}/data/{path}", {"data": texts})
        if code == 200:
            return int(answer["data"]["version"])
        if time.monotonic() > until:
            sys.exit(f"openbao: {found['address']} answers {code} to a write of {path}: {answer.get('errors')}")
        time.sleep(0.1)


def stop(directory: Path) -> None:
    """Ends it, and waits until it is gone; what was written stays."""
    directory = directory.resolve()
    pid = running(directory)
    if not pid:
        return
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + 10
    while running(directory):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    (directory / "pid").unlink(missing_ok=True)


def main() -> int:
    """Parses the command line and does it."""
    parser = argparse.ArgumentParser(description="an OpenBao on the loopback")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("start", "put", "stop"):
        one = verbs.add_parser(verb)
        one.add_argument("directory", type=Path)
        if verb == "start":
            one.add_argument("--port", type=int, default=0, help="any free one without it")
        if verb == "put":
            one.add_argument("path", help="below the mount, as castle/database")
    args = parser.parse_args()
    if args.verb == "start":
        print(json.dumps(start(args.directory, args.port)))
    elif args.verb == "put":
        print(json.dumps({"version": put(args.directory, args.path, json.load(sys.stdin))}))
    else:
        stop(args.directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())

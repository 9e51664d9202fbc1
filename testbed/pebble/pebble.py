"""A real CA that speaks ACME (Pebble) on the loopback, behind the limits of a public one: for tests and the demo.

python testbed/pebble/pebble.py start DIR --dns HOST:PORT [--duplicates 5] [--reject PERCENT]
python testbed/pebble/pebble.py stop DIR

`start` prints a line of JSON: `directory` (URL), `ca` (file with the certificate of its HTTPS), `root` (file with the
root that its certificates lead to), `limits` (URL of what was counted), `pids`. Pebble keeps nothing: started again it
has a new root, and knows no account and no order.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("CASTLE_CACHE", "/var/cache/ephemeral-castle"))
BUILT = CACHE / "bin/pebble-2.10.1"  # scripts/pebble puts it there
READY = 10.0  # seconds


def program() -> str:
    """Path of pebble."""
    if not BUILT.exists():
        sys.exit(f"pebble: {BUILT} is missing: scripts/pebble builds it")
    return str(BUILT)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def running(directory: Path, name: str) -> int:
    """Process id of one of the two programs of this directory, or 0."""
    try:
        pid = int((directory / f"{name}.pid").read_text())
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return 0
    return pid if str(directory).encode() in arguments else 0


def prepare(directory: Path) -> dict[str, str]:
    """Writes configuration and the certificate of its HTTPS, unless an earlier start did."""
    described = directory / "server.json"
    if described.exists():
        return dict(json.loads(described.read_text()))
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "365",
         "-keyout", directory / "tls.key", "-out", directory / "tls.crt", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    port, inner, management = free_port(), free_port(), free_port()
    # One profile: of several, Pebble takes one by chance for a client that names none.
    configuration = {
        "listenAddress": f"127.0.0.1:{inner}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(directory / "tls.crt"),
        "privateKey": str(directory / "tls.key"),
        "httpPort": free_port(),
        "tlsPort": free_port(),
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
        "domainBlocklist": ["blocked.castle.example"],
        "retryAfter": {"authz": 1, "order": 1},
        "keyAlgorithm": "ecdsa",
        "profiles": {"default": {"description": "90 days", "validityPeriod": 7776000}},
    }
    (directory / "pebble.json").write_text(json.dumps({"pebble": configuration}))
    found = {
        "directory": f"https://127.0.0.1:{port}/dir",
        "limits": f"https://127.0.0.1:{port}/limits",
        "ca": str(directory / "tls.crt"),
        "root": str(directory / "root.pem"),
        "inner": str(inner),
        "management": str(management),
        "port": str(port),
    }
    described.write_text(json.dumps(found))
    return found


def start(directory: Path, dns: str, duplicates: int, reject: int) -> dict[str, object]:
    """Starts both and waits until they answer; writes the root."""
    found = prepare(directory)
    environment = {
        **os.environ,
        "PEBBLE_VA_NOSLEEP": "1",  # it waits up to 15 s by chance, as a public CA might
        "PEBBLE_WFE_NONCEREJECT": str(reject),
        "PEBBLE_AUTHZREUSE": "0",  # every order asks for its own answer
    }
    pebble = [program(), "-config", str(directory / "pebble.json"), "-dnsserver", dns]
    tls = [str(directory / "tls.crt"), str(directory / "tls.key")]
    limits = [sys.executable, str(HERE / "limits.py"), found["port"], found["inner"], *tls]
    pids = {
        "pebble": launch(directory, "pebble", pebble, environment),
        "limits": launch(directory, "limits", [*limits, "--duplicates", str(duplicates)], dict(os.environ)),
    }
    fetch(found["directory"], found["ca"])
    Path(found["root"]).write_bytes(fetch(f"https://127.0.0.1:{found['management']}/roots/0", found["ca"]))
    return {**found, "pids": pids}


def launch(directory: Path, name: str, argv: list[str], environment: dict[str, str]) -> int:
    """Starts one, unless it runs."""
    pid = running(directory, name)
    if not pid:
        with (directory / f"{name}.log").open("ab") as log:
            pid = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            ).pid
        (directory / f"{name}.pid").write_text(str(pid))
    return pid


def fetch(url: str, ca: str) -> bytes:
    """What stands at a URL, as soon as somebody answers."""
    context = ssl.create_default_context(cafile=ca)
    until = time.monotonic() + READY
    while True:
        try:
            with urllib.request.urlopen(url, context=context, timeout=5) as answer:
                return bytes(answer.read())
        except (OSError, urllib.error.URLError) as error:
            if time.monotonic() > until:
                sys.exit(f"pebble: {url} does not answer: {error}; look into {Path(ca).parent}")
            time.sleep(0.05)


def stop(directory: Path, *, keep: bool = False) -> None:
    """Ends both, by process id; returns when they are gone. `keep`: ports and configuration stay for another start."""
    for name in ("pebble", "limits"):
        pid, until = running(directory, name), time.monotonic() + READY
        with contextlib.suppress(ProcessLookupError):
            if pid:
                os.kill(pid, signal.SIGTERM)
            while pid and running(directory, name):
                if time.monotonic() > until:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.02)
        (directory / f"{name}.pid").unlink(missing_ok=True)
    if not keep:
        shutil.rmtree(directory, ignore_errors=True)


def main() -> int:
    """See the head of this file."""
    parser = argparse.ArgumentParser(description="a CA for tests and the demo")
    parser.add_argument("verb", choices=("start", "stop"))
    parser.add_argument("directory", type=Path)
    parser.add_argument("--dns", default="127.0.0.1:53", help="name server that it asks")
    parser.add_argument("--duplicates", type=int, default=5, help="certificates for the same names in a week")
    parser.add_argument("--reject", type=int, default=5, help="percent of good nonces that it refuses all the same")
    asked = parser.parse_args()
    directory = asked.directory.resolve()
    if asked.verb == "stop":
        stop(directory, keep=True)
    else:
        print(json.dumps(start(directory, asked.dns, asked.duplicates, asked.reject)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Caddy: its configuration from routes, and the process. Keys are told to it by its admin API, and lie in no file.

Source: caddyserver.com/docs/json, /docs/api.
"""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .routes import Route
from .words import PORTS, WEB, WEBSECURE

ADMIN = ("127.0.0.1", 2019)
STARTED = 20.0  # seconds
DEFAULT = "default"  # tag of the certificate for names that have none
SUBJECT = "/CN=TRAEFIK DEFAULT CERT"
Json = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """Certificate and key (PEM)."""

    certificate: str
    key: str

    def __repr__(self) -> str:
        return "Pair(...)"


@dataclass(frozen=True)
class Served:
    """A route and the pods behind it; without one it answers 503."""

    route: Route
    upstreams: tuple[str, ...] = ()


def configuration(served: Sequence[Served], pairs: Mapping[str, Pair]) -> Json:
    """The whole configuration.

    Args:
        served: routes.
        pairs: by `NAMESPACE/NAME` of a Secret, and the one for all other names under `DEFAULT`.
    """
    ordered = sorted(served, key=lambda each: (-each.route.priority, each.route.source))
    policies: list[Json] = []
    for host, tag in _certificates(ordered, pairs).items():
        policies.append({"match": {"sni": [host]}, "certificate_selection": {"any_tag": [tag]}})
    policies.append({"certificate_selection": {"any_tag": [DEFAULT]}})
    servers: Json = {
        name: {
            "listen": [f":{PORTS[name]}"],
            "automatic_https": {"disable": True},
            "routes": [*(_route(each) for each in ordered if name in each.route.entries), _not_found()],
        }
        for name in (WEB, WEBSECURE)
    }
    servers[WEBSECURE]["tls_connection_policies"] = policies
    servers["traefik"] = {"listen": [f":{PORTS['traefik']}"], "routes": [_ping(), _not_found()]}
    loaded = [{"certificate": each.certificate, "key": each.key, "tags": [tag]} for tag, each in pairs.items()]
    return {
        "admin": {"listen": ":".join(map(str, ADMIN)), "config": {"persist": False}},
        "apps": {"http": {"servers": servers}, "tls": {"certificates": {"load_pem": loaded}}},
    }


def _certificates(served: Sequence[Served], pairs: Mapping[str, Pair]) -> dict[str, str]:
    """Tag of the certificate by host; a Secret that is not there leaves its host to the default one."""
    found: dict[str, str] = {}
    for each in served:
        tag = f"{each.route.namespace}/{each.route.secret}"
        if each.route.tls and each.route.host and tag in pairs:
            found.setdefault(each.route.host, tag)
    return found


def _route(served: Served) -> Json:
    route = served.route
    # Caddy's own matcher of paths ignores upper and lower case.
    pattern = f"^{re.escape(route.path)}" + ("$" if route.exact else "")
    match: Json = {"path_regexp": {"pattern": pattern}, **({"host": [route.host]} if route.host else {})}
    if not served.upstreams:
        return {"match": [match], "handle": [_says(503, "no available server")], "terminal": True}
    proxy: Json = {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": each} for each in served.upstreams],
        "load_balancing": {"selection_policy": {"policy": "round_robin"}},
    }
    return {"match": [match], "handle": [proxy], "terminal": True}


def _says(status: int, text: str) -> Json:
    return {"handler": "static_response", "status_code": status, "body": f"{text}\n"}


def _not_found() -> Json:
    return {"handle": [_says(404, "404 page not found")]}


def _ping() -> Json:
    return {"match": [{"path": ["/ping"]}], "handle": [_says(200, "OK")], "terminal": True}


def default_pair() -> Pair:
    """A certificate that nobody trusts, for names that have none; its key is never written anywhere."""
    key = subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"], capture_output=True, text=True, check=True
    ).stdout
    command = ["openssl", "req", "-x509", "-new", "-key", "/dev/stdin", "-subj", SUBJECT, "-days", "365"]
    made = subprocess.run(command, input=key, capture_output=True, text=True, check=True)
    return Pair(made.stdout, key)


class Caddy:
    """The process."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, told: Json) -> None:
        """Starts it. Raises TimeoutError: it does not answer."""
        self.process = subprocess.Popen(["caddy", "run", "--config", "-"], stdin=subprocess.PIPE)
        if self.process.stdin is not None:
            self.process.stdin.write(json.dumps(told).encode())
            self.process.stdin.close()
        until = time.monotonic() + STARTED
        while not self._answers():
            if time.monotonic() > until or self.process.poll() is not None:
                raise TimeoutError("Caddy does not start")
            time.sleep(0.05)

    def load(self, told: Json) -> None:
        """Gives it another configuration; requests that go on are not cut off. Raises OSError: it refuses."""
        connection = http.client.HTTPConnection(*ADMIN, timeout=30)
        try:
            connection.request("POST", "/load", json.dumps(told).encode(), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = answer.read().decode(errors="replace")
        except http.client.HTTPException as error:
            raise OSError(str(error)) from None
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise OSError(f"Caddy refuses: {said[:400]}")

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return self.process is None or self.process.poll() is not None

    def stop(self) -> None:
        """Ends it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()

    @staticmethod
    def _answers() -> bool:
        connection = http.client.HTTPConnection(*ADMIN, timeout=1)
        try:
            connection.request("GET", "/config/admin/listen")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

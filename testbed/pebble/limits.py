"""A proxy ahead of Pebble with the limits of a public CA, which Pebble itself does not have.

python testbed/pebble/limits.py PORT PEBBLE_PORT CERTIFICATE KEY [--duplicates 5] [--domain 50] [--window 604800]

The limits are those that decide whether a castle may be reborn often: certificates for the same set of names, and
certificates for one domain, both within a sliding window; a renewal (a set that was issued before) is free of the
second (https://letsencrypt.org/docs/rate-limits/). What is counted is told at `/limits`. Emulated: our own imitation.
"""

from __future__ import annotations

import argparse
import base64
import email.utils
import http.client
import http.server
import json
import ssl
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

HOP = ("connection", "accept-encoding", "host", "content-length", "transfer-encoding")
ERROR = "urn:ietf:params:acme:error:rateLimited"


def names_of(body: bytes) -> frozenset[str]:
    """Names of a `newOrder` request; the signature is for Pebble to check."""
    payload = json.loads(body).get("payload", "")
    order = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)) or "{}")
    return frozenset(each["value"] for each in order.get("identifiers", ()))


def domain_of(name: str) -> str:
    """The registered domain, for names under top-level domains of one label."""
    return ".".join(name.split(".")[-2:])


@dataclass
class Book:
    """What was issued, and when.

    Attributes:
        duplicates, domain: how many certificates one set of names, and one domain, may have within the window.
        window: seconds.
        issued: moments by set of names.
        orders: set of names by the last part of an order's URL, until it is finalized.
        counts: requests by what became of them.
    """

    duplicates: int
    domain: int
    window: float
    issued: dict[frozenset[str], list[float]] = field(default_factory=lambda: defaultdict(list))
    orders: dict[str, frozenset[str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def refusal(self, names: frozenset[str], now: float) -> tuple[str, float] | None:
        """Why no order may be made, and when it may again; None when it may."""
        with self.lock:
            for moments in self.issued.values():
                moments[:] = [each for each in moments if now - each < self.window]
            mine = self.issued[names]
            if len(mine) >= self.duplicates:
                return f"too many certificates ({len(mine)}) already issued for this exact set of identifiers", mine[0]
            for domain in {domain_of(name) for name in names}:
                found = sorted(
                    each
                    for others, moments in self.issued.items()
                    if any(domain_of(name) == domain for name in others)
                    for each in moments
                )
                if len(found) >= self.domain and not mine:
                    return f'too many certificates ({len(found)}) already issued for "{domain}"', found[0]
            return None

    def ordered(self, order: str, names: frozenset[str]) -> None:
        """An order was made."""
        with self.lock:
            self.counts["orders"] += 1
            self.orders[order] = names

    def finalized(self, order: str, now: float) -> None:
        """A certificate is issued."""
        with self.lock:
            names = self.orders.pop(order, None)
            if names is not None:
                self.counts["issued"] += 1
                self.issued[names].append(now)


class Proxy(http.server.BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    book: Book
    pebble: int
    trust: ssl.SSLContext

    def do_GET(self) -> None:
        """Pebble's, but for our own page."""
        if self.path == "/limits":
            self._give(200, {"content-type": "application/json"}, json.dumps(dict(self.book.counts)).encode())
        else:
            self._pass_on(b"")

    def do_HEAD(self) -> None:
        """Pebble's."""
        self._pass_on(b"")

    def do_POST(self) -> None:
        """An order may be refused; everything else is Pebble's."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        names = names_of(body) if self.path == "/order-plz" else frozenset()
        now = time.time()
        refusal = self.book.refusal(names, now) if names else None
        if refusal is not None:
            self._refuse(refusal[0], refusal[1] + self.book.window - now)
            return
        status, location = self._pass_on(body)
        if names and status == 201:
            self.book.ordered(location.rsplit("/", 1)[-1], names)
        if "/finalize-order/" in self.path and status == 200:
            self.book.finalized(self.path.rsplit("/", 1)[-1], now)

    def _refuse(self, why: str, wait: float) -> None:
        self.book.counts["refused"] += 1
        _, headers, _ = self._ask("HEAD", "/nonce-plz", b"")
        seconds = int(wait) + 1
        again = email.utils.formatdate(time.time() + seconds, usegmt=True)
        told = {
            "type": ERROR,
            "status": 429,
            "detail": f"{why} in the last {self.book.window:g} s, retry after {again}",
        }
        more = {"content-type": "application/problem+json", "retry-after": str(seconds)}
        self._give(429, {**more, "replay-nonce": headers["replay-nonce"]}, json.dumps(told).encode())

    def _pass_on(self, body: bytes) -> tuple[int, str]:
        status, headers, answer = self._ask(self.command, self.path, body)
        self._give(status, {name: value for name, value in headers.items() if name not in HOP}, answer)
        return status, headers.get("location", "")

    def _ask(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        link = http.client.HTTPSConnection("127.0.0.1", self.pebble, context=self.trust, timeout=30)
        try:
            # Pebble makes its URLs from the host that it is asked by: they lead through this proxy.
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            link.request(method, path, body or None, {**headers, "Host": self.headers["Host"]})
            answer = link.getresponse()
            found: dict[str, str] = {}
            for name, value in answer.getheaders():
                known = found.get(name.lower())
                found[name.lower()] = f"{known}, {value}" if known else value
            return answer.status, found, answer.read()
        finally:
            link.close()

    def _give(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "date" not in headers:
            self.send_header("date", self.date_time_string())
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Says nothing."""


def main() -> None:
    """See the head of this file."""
    parser = argparse.ArgumentParser(description="limits of a public CA ahead of Pebble")
    parser.add_argument("port", type=int)
    parser.add_argument("pebble", type=int)
    parser.add_argument("certificate")
    parser.add_argument("key")
    parser.add_argument("--duplicates", type=int, default=5)
    parser.add_argument("--domain", type=int, default=50)
    parser.add_argument("--window", type=float, default=604800.0)
    asked = parser.parse_args()
    Proxy.book = Book(asked.duplicates, asked.domain, asked.window)
    Proxy.pebble = asked.pebble
    Proxy.trust = ssl.create_default_context(cafile=asked.certificate)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", asked.port), Proxy)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(asked.certificate, asked.key)
    # The handshake belongs to the thread of a request: one client that says nothing holds up no other.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    main()

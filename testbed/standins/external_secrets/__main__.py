"""python -m standins.external_secrets: the stand-in, in a pod, as the operator's Deployment starts it."""

from __future__ import annotations

import argparse
import http.server
import logging
import signal
import sys
import threading

from ..api import Api
from .controllers import Operator
from .words import COMPONENT, seconds


class _Health(http.server.BaseHTTPRequestHandler):
    """/healthz, as the operator's liveness probe asks for it."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()
        self.wfile.write(b"ok" if self.path == "/healthz" else b"")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def _flags(argv: list[str]) -> argparse.Namespace:
    """Those of the operator's flags that mean something here; others that its Deployment may give are let pass."""
    parser = argparse.ArgumentParser(prog=COMPONENT, description=__doc__)
    parser.add_argument("--concurrent", type=int, default=1, help="workers of each controller")
    parser.add_argument("--store-requeue-interval", default="5m", help="time between two looks at a store")
    parser.add_argument("--live-addr", default=":8082", help="where /healthz is served")
    known, others = parser.parse_known_args(argv)
    if others:
        logging.getLogger(COMPONENT).warning("flags without a meaning here: %s", " ".join(others))
    return known


def main() -> int:
    """Works until it is told to end."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    flags = _flags(sys.argv[1:])
    host, _, port = flags.live_addr.rpartition(":")
    health = http.server.ThreadingHTTPServer((host, int(port)), _Health)
    threading.Thread(target=health.serve_forever, daemon=True).start()
    operator = Operator(
        Api.in_cluster(COMPONENT), concurrent=flags.concurrent, revalidate=seconds(flags.store_requeue_interval)
    )
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: operator.stop())
    logging.getLogger(COMPONENT).info("a stand-in for the External Secrets Operator, not the real one")
    operator.start()
    operator.over.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())

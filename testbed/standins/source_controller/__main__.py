"""python -m standins.source_controller: the stand-in, in a pod, as the controller's Deployment starts it."""

from __future__ import annotations

import argparse
import http.server
import logging
import signal
import sys
import threading
from pathlib import Path

from ..api import Api
from .controllers import Controller
from .storage import Storage, server
from .words import COMPONENT

TITLE = "stand-in for Flux' source-controller"


class _Health(http.server.BaseHTTPRequestHandler):
    """/healthz and /readyz, as the probes ask for them."""

    def do_GET(self) -> None:
        known = self.path in ("/healthz", "/readyz")
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(b"ok" if known else b"")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def _flags(argv: list[str]) -> argparse.Namespace:
    """Those of the controller's flags that mean something here; others that its Deployment gives are let pass."""
    parser = argparse.ArgumentParser(prog=COMPONENT, description=TITLE)
    parser.add_argument("--concurrent", type=int, default=2, help="passes at once")
    parser.add_argument("--storage-path", type=Path, default=Path("/data"), help="directory of the artifacts")
    parser.add_argument("--storage-addr", default=":9090", help="where artifacts are served")
    parser.add_argument("--storage-adv-addr", default="localhost:9090", help="host that stands in their URLs")
    parser.add_argument("--health-addr", default=":9440", help="where probes are answered")
    known, others = parser.parse_known_args(argv)
    if others:
        logging.getLogger(COMPONENT).info("flags without a meaning here: %s", " ".join(others))
    return known


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def main() -> int:
    """Works until it is told to end."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    flags = _flags(sys.argv[1:])
    storage = Storage(flags.storage_path, flags.storage_adv_addr)
    health = http.server.ThreadingHTTPServer(_address(flags.health_addr), _Health)
    controller = Controller(Api.in_cluster(COMPONENT), storage, concurrent=flags.concurrent)
    for served in (server(storage, _address(flags.storage_addr)), health):
        threading.Thread(target=served.serve_forever, daemon=True).start()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: controller.stop())
    logging.getLogger(COMPONENT).info("%s: it is not the real one", TITLE)
    controller.start()
    controller.over.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())

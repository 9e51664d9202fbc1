"""python -m standins.ingress: the stand-in, in a pod, as the chart's Deployment starts it."""

from __future__ import annotations

import logging
import os
import signal
import sys

from ..api import Api
from .caddy import Caddy
from .controller import Controller
from .words import COMPONENT, TITLE


def main() -> int:
    """Works until it is told to end; status 1 when Caddy ended by itself."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    if sys.argv[1:]:
        logging.getLogger(COMPONENT).info("flags without a meaning here: %s", " ".join(sys.argv[1:]))
    controller = Controller(Api.in_cluster(COMPONENT), Caddy(), os.environ.get("NODE_IP", ""))
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: controller.stop())
    logging.getLogger(COMPONENT).info("%s: it is not the real one", TITLE)
    controller.start()
    controller.run()
    return 0 if controller.over.is_set() else 1


if __name__ == "__main__":
    sys.exit(main())

"""Watches what there is, and tells Caddy what follows from it."""

from __future__ import annotations

import base64
import binascii
import logging
import threading
from collections.abc import Iterator

from ..api import Api, Object, Refused, Silent
from . import caddy, routes
from .caddy import Caddy, Pair, Served
from .words import API, CLASS, COMPONENT, DISCOVERY, INGRESS, NETWORKING, ROUTE, SERVICE_NAME, SLICE

KINDS = (
    (NETWORKING, INGRESS), (NETWORKING, CLASS), (API, ROUTE), ("v1", "Service"), (DISCOVERY, SLICE), ("v1", "Secret"),
)  # fmt: skip
SETTLED = 0.05  # seconds in which further changes are taken along
TLS = ("tls.crt", "tls.key")
log = logging.getLogger(COMPONENT)


class Controller:
    """All of it, until `stop`.

    Args:
        api: the API server.
        server: Caddy.
        address: that Ingresses are told to be reached at; "" tells nothing.
    """

    def __init__(self, api: Api, server: Caddy, address: str = "") -> None:
        self.api, self.server, self.address = api, server, address
        self.things: dict[str, dict[tuple[str, str], Object]] = {kind: {} for _, kind in KINDS}
        self.default = caddy.default_pair()
        self.over = threading.Event()
        self._changed = threading.Event()
        self._lock = threading.Lock()
        self._told: caddy.Json = {}
        self._faults: set[str] = set()

    def start(self) -> None:
        """Starts Caddy and begins to watch."""
        self._told = caddy.configuration((), {caddy.DEFAULT: self.default})
        self.server.start(self._told)
        for api, kind in KINDS:
            threading.Thread(target=self._follow, args=(api, kind), daemon=True).start()

    def run(self) -> None:
        """Works until it is told to end, or Caddy ends."""
        while not self.over.is_set() and not self.server.ended:
            if self._changed.wait(1.0):
                self.over.wait(SETTLED)
                self._changed.clear()
                self.once()
        self.server.stop()

    def stop(self) -> None:
        """Ends the work; watches end with the process."""
        self.over.set()
        self._changed.set()

    def once(self) -> None:
        """What Caddy is to serve now."""
        with self._lock:
            things = {kind: dict(found) for kind, found in self.things.items()}
        wanted = caddy.configuration(tuple(self._served(things)), self._pairs(things))
        if wanted != self._told:
            try:
                self.server.load(wanted)
            except OSError as error:
                log.error("%s", error)  # noqa: TRY400 - a trace says no more
                return
            self._told = wanted
            log.info("%d routes are served", sum(1 for _ in self._served(things)))
        self._tell(things)

    def _follow(self, api: str, kind: str) -> None:
        for change in self.api.watch(api, kind, stop=self.over):
            meta = change.object["metadata"]
            name = (meta.get("namespace", ""), meta["name"])
            with self._lock:
                if change.type == "DELETED":
                    self.things[kind].pop(name, None)
                else:
                    self.things[kind][name] = change.object
            self._changed.set()

    def _served(self, things: dict[str, dict[tuple[str, str], Object]]) -> Iterator[Served]:
        faults: set[str] = set()
        classes = {name: each for (_, name), each in things[CLASS].items()}
        asked = [(routes.of_ingress, each) for each in things[INGRESS].values() if routes.is_ours(each, classes)]
        for read, thing in [*asked, *((routes.of_route, each) for each in things[ROUTE].values())]:
            try:
                found = list(read(thing))
            except routes.NotServed as error:
                faults.add(str(error))
                continue
            for route in found:
                slices = [
                    each
                    for (space, _), each in things[SLICE].items()
                    if space == route.namespace
                    and (each["metadata"].get("labels") or {}).get(SERVICE_NAME) == route.service
                ]
                try:
                    yield Served(route, tuple(routes.endpoints(route, things["Service"], slices)))
                except routes.NotServed as error:  # Traefik leaves such a route out as a whole
                    faults.add(str(error))
        for each in sorted(faults - self._faults):
            log.error("%s", each)
        self._faults = faults

    def _pairs(self, things: dict[str, dict[tuple[str, str], Object]]) -> dict[str, Pair]:
        found = {caddy.DEFAULT: self.default}
        for (space, name), secret in things["Secret"].items():
            data = secret.get("data") or {}
            if all(data.get(key) for key in TLS):
                try:
                    pair = Pair(*(base64.b64decode(data[key], validate=True).decode() for key in TLS))
                except (binascii.Error, ValueError):
                    continue
                if pair.certificate.startswith("-----BEGIN CERTIFICATE"):
                    found[f"{space}/{name}"] = pair
        return found

    def _tell(self, things: dict[str, dict[tuple[str, str], Object]]) -> None:
        """The status of Ingresses. IngressRoutes have none."""
        classes = {name: each for (_, name), each in things[CLASS].items()}
        wanted = {"loadBalancer": {"ingress": [{"ip": self.address}]}}
        for each in things[INGRESS].values() if self.address else ():
            has = ((each.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
            if routes.is_ours(each, classes) and [one.get("ip") for one in has] != [self.address]:
                try:
                    self.api.patch_status(each, wanted)
                except (Refused, Silent) as error:
                    log.warning("%s: %s", routes.named(each), error)

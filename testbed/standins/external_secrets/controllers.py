"""The controllers: what wakes a pass, and when the next one is.

Stores are not watched by ExternalSecrets: one that met a store which was not ready sleeps in its back-off after the
store is. Source: external-secrets v1.3.2, SetupWithManager, pkg/controllers/common, cmd/controller/root.go.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial

from ..api import Api, Change, Refused, Silent
from ..work import Work
from . import passes, stores
from .target import name_of
from .words import API, CLUSTER_STORE, EXTERNAL, MANAGED, STORE

Name = tuple[str, str]  # namespace, name
FIRST, MOST = 1.0, 420.0  # seconds of the back-off
log = logging.getLogger("external-secrets")


class Operator:
    """All of it, until `stop`.

    Args:
        api: the API server.
        concurrent: workers of each controller.
        revalidate: seconds between two looks at a store.
    """

    def __init__(self, api: Api, *, concurrent: int = 1, revalidate: float = 300.0) -> None:
        self.api, self.concurrent, self.revalidate = api, concurrent, revalidate
        self.externals: Work[Name] = Work(base=FIRST, most=MOST)
        self.stores: dict[str, Work[Name]] = {kind: Work(base=FIRST, most=MOST) for kind in (STORE, CLUSTER_STORE)}
        self.targets: dict[Name, str] = {}  # of each ExternalSecret, the name of its Secret
        self.over = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begins to watch and to work."""
        self._watch(EXTERNAL, self._external)
        self._watch("Secret", self._secret, api="v1", labels=f"{MANAGED}=true")
        for kind, work in self.stores.items():
            self._watch(kind, partial(_add, work))
            self._work(work, partial(self._store, kind))
        self._work(self.externals, self._pass)

    def stop(self) -> None:
        """Ends the work; watches end with the process."""
        self.over.set()
        for work in (self.externals, *self.stores.values()):
            work.close()

    def _watch(self, kind: str, tell: Callable[[Change], None], *, api: str = API, labels: str = "") -> None:
        def follow() -> None:
            for change in self.api.watch(api, kind, labels=labels, stop=self.over):
                tell(change)

        self._run(follow, f"watch {kind}")

    def _work(self, work: Work[Name], act: Callable[[Name], passes.Next]) -> None:
        def loop() -> None:
            while not self.over.is_set():
                name = work.take()
                if name is not None:
                    _once(work, name, act)

        for _ in range(self.concurrent):
            self._run(loop, "worker")

    def _run(self, work: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _external(self, change: Change) -> None:
        """Any change of it wakes a pass: spec, label, annotation, finalizer, and its own status."""
        name = _named(change)
        if change.type == "DELETED":
            self.targets.pop(name, None)
        else:
            self.targets[name] = name_of(change.object)
        self.externals.add(name)

    def _secret(self, change: Change) -> None:
        """A change of a managed Secret wakes those that make it."""
        namespace, secret = _named(change)
        for name, target in list(self.targets.items()):
            if name[0] == namespace and target == secret:
                self.externals.add(name)

    def _pass(self, name: Name) -> passes.Next:
        return passes.one(self.api, *name)

    def _store(self, kind: str, name: Name) -> passes.Next:
        well = stores.check(self.api, kind, *name)
        return passes.Next(self.revalidate) if well else passes.FAILED


def _add(work: Work[Name], change: Change) -> None:
    work.add(_named(change))


def _named(change: Change) -> Name:
    meta = change.object["metadata"]
    return meta.get("namespace", ""), meta["name"]


def _once(work: Work[Name], name: Name, act: Callable[[Name], passes.Next]) -> None:
    """One pass, and what follows from it. An error of ours is logged and counts as a failure."""
    try:
        then = act(name)
    except (Refused, Silent) as error:
        log.warning("%s/%s: %s", *name, error)
        then = passes.FAILED
    except Exception:
        log.exception("%s/%s: the stand-in itself failed", *name)
        then = passes.FAILED
    if then.failed:
        work.failed(name)
    else:
        work.forget(name)
        if then.after == 0:
            work.add(name)
        elif then.after is not None:
            work.add_after(name, then.after)
    work.done(name)

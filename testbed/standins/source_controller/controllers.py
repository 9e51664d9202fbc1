"""What wakes a pass, and when the next one is. Source: source-controller v1.9.5, SetupWithManager, main.go."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from ..api import Api, Change, Refused, Silent
from ..work import Work
from . import passes
from .storage import Storage
from .words import API, COMPONENT, KIND, REQUESTED

Name = tuple[str, str]  # namespace, name
FIRST, MOST = 0.75, 900.0  # seconds of the back-off
log = logging.getLogger(COMPONENT)


class Controller:
    """All of it, until `stop`.

    Args:
        api: the API server.
        storage: the disk.
        concurrent: passes at once.
    """

    def __init__(self, api: Api, storage: Storage, *, concurrent: int = 2) -> None:
        self.api, self.storage, self.concurrent = api, storage, concurrent
        self.work: Work[Name] = Work(base=FIRST, most=MOST)
        self.over = threading.Event()
        self._seen: dict[Name, tuple[object, ...]] = {}

    def start(self) -> None:
        """Begins to watch and to work."""
        self._run(self._follow, "watch")
        for number in range(self.concurrent):
            self._run(self._loop, f"worker {number}")

    def stop(self) -> None:
        """Ends the work; the watch ends with the process."""
        self.over.set()
        self.work.close()

    def _run(self, work: Callable[[], None], name: str) -> None:
        threading.Thread(target=work, name=name, daemon=True).start()

    def _follow(self) -> None:
        for change in self.api.watch(API, KIND, stop=self.over):
            self.tell(change)

    def tell(self, change: Change) -> None:
        """A new spec, a request or a deletion wakes a pass; what the controller itself wrote does not."""
        meta = change.object["metadata"]
        name = (meta.get("namespace", ""), meta["name"])
        if change.type == "DELETED":
            self._seen.pop(name, None)
            return
        asked = (meta.get("annotations") or {}).get(REQUESTED)
        key = (meta.get("uid"), meta.get("generation"), asked, meta.get("deletionTimestamp"))
        if self._seen.get(name) != key:
            self._seen[name] = key
            self.work.add(name)

    def _loop(self) -> None:
        while not self.over.is_set():
            name = self.work.take()
            if name is not None:
                self._once(name)

    def _once(self, name: Name) -> None:
        """One pass, and what follows from it. An error of ours is logged and counts as a failure."""
        try:
            then = passes.one(self.api, self.storage, *name)
        except (Refused, Silent) as error:
            log.warning("%s/%s: %s", *name, error)
            then = passes.FAILED
        except Exception:
            log.exception("%s/%s: the stand-in itself failed", *name)
            then = passes.FAILED
        if then.failed:
            self.work.failed(name)
        else:
            self.work.forget(name)
            if then.after == 0:
                self.work.add(name)
            elif then.after is not None:
                self.work.add_after(name, then.after)
        self.work.done(name)

"""The operator's process: watches, and one pass after another.

    python3 -m standins.pgo

Its environment is the real one's: PGO_NAMESPACE, PGO_TARGET_NAMESPACE(S), PGO_WORKERS, RELATED_IMAGE_*.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence

from .. import execs
from ..api import Api, Change, Object, Refused, Silent
from ..execs import Ended
from ..work import Work
from . import names
from .moment import Failed, Moment
from .reconcile import reconcile

Key = tuple[str, str]  # namespace and name of a cluster
OWNED = (
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("batch/v1", "CronJob"),
    ("batch/v1", "Job"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("v1", "ConfigMap"),
    ("v1", "Endpoints"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
)


def say(text: str) -> None:
    """One line in the operator's log."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


class Operator:
    """What the threads share.

    Args:
        api: the server.
        namespaces: whose clusters it looks after; one "" for all.
        environment: which images there are.
    """

    def __init__(self, api: Api, namespaces: Sequence[str], environment: Mapping[str, str]) -> None:
        self.api = api
        self.namespaces = namespaces
        self.environment = environment
        self.work: Work[Key] = Work(base=0.005, most=1000.0)
        self.stop = threading.Event()
        self._pods: dict[str, tuple[bool, bool]] = {}

    def watch(self, api: str, kind: str, namespace: str) -> None:
        """One kind in one namespace, until the end."""
        labels = "" if kind == names.KIND else names.CLUSTER
        for change in self.api.watch(api, kind, namespace, labels, self.stop):
            key = self._touched(kind, change)
            if key is not None:
                self.work.add(key)

    def _touched(self, kind: str, change: Change) -> Key | None:
        """The cluster that a change is news for.

        What it owns is, whatever changed. Of its pods only who begins to lead, or waits for a restart, is: that an
        instance became ready wakes nobody.
        """
        meta = change.object["metadata"]
        namespace = meta.get("namespace", "")
        if kind == names.KIND:
            return namespace, meta["name"]
        labels = meta.get("labels") or {}
        if kind == "Pod":
            now = (labels.get(names.ROLE) == names.LEADER, "pending_restart" in _member(change.object))
            before = self._pods.get(meta["uid"], (False, False))
            self._pods[meta["uid"]] = now
            if change.type == "DELETED":
                del self._pods[meta["uid"]]
                return None
            news = (now[0] and not before[0]) or (now[1] and not before[1])
            return (namespace, labels[names.CLUSTER]) if news else None
        # Not what the members write themselves: that is renewed every few seconds.
        owners = [each for each in meta.get("ownerReferences") or () if each["kind"] == names.KIND]
        return (namespace, owners[0]["name"]) if owners else None

    def labour(self) -> None:
        """One pass after another, until the end."""
        while not self.stop.is_set():
            key = self.work.take(timeout=1.0)
            if key is None:
                continue
            try:
                self._one(key)
            finally:
                self.work.done(key)

    def _one(self, key: Key) -> None:
        try:
            cluster = self.api.get(names.API, names.KIND, key[1], key[0])
            if cluster is None:
                self.work.forget(key)
                return
            moment = Moment(self.api, self.run, cluster, self.environment)
            reconcile(moment)
        except (Failed, Refused, Silent) as error:
            say(f"{key[0]}/{key[1]}: {error}; again in {self.work.failed(key):.2g} s")
            return
        except Exception:  # noqa: BLE001 - a mistake of ours in one cluster must not end the others' care
            say(f"{key[0]}/{key[1]}: {traceback.format_exc()}; again in {self.work.failed(key):.2g} s")
            return
        self.work.forget(key)
        if moment.again is not None:
            self.work.add_after(key, moment.again)

    def run(self, namespace: str, pod: str, container: str, argv: Sequence[str], stdin: str) -> Ended:
        """A command in a container."""
        return execs.run(self.api, (namespace, pod, container), argv, stdin, timeout=600.0)

    def begin(self, workers: int) -> list[threading.Thread]:
        """Starts all threads."""
        kinds = [(names.API, names.KIND), ("v1", "Pod"), *OWNED]
        watches = [(api, kind, namespace) for api, kind in kinds for namespace in self.namespaces]
        threads = [threading.Thread(target=self.watch, args=each, daemon=True) for each in watches]
        threads += [threading.Thread(target=self.labour, daemon=True) for _ in range(workers)]
        for each in threads:
            each.start()
        return threads


def _member(pod: Object) -> str:
    return str((pod["metadata"].get("annotations") or {}).get("status", ""))


def main() -> int:
    """Works until it is told to end; a thread that dies ends it, so that the kubelet starts it again."""
    said = os.environ
    wanted = said.get("PGO_TARGET_NAMESPACES") or said.get("PGO_TARGET_NAMESPACE") or ""
    namespaces = [each.strip() for each in wanted.split(",")]
    operator = Operator(Api.in_cluster(names.MANAGER), namespaces, said)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    threads = operator.begin(int(said.get("PGO_WORKERS", "2")))
    say(f"stand-in for the PostgreSQL operator v6.0.3: looking after {wanted or 'all namespaces'}")
    while all(each.is_alive() for each in threads):
        time.sleep(1)
    say("a thread ended")
    return 1


if __name__ == "__main__":
    sys.exit(main())

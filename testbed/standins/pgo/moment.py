"""One pass over one PostgresCluster: what is wanted, what is said of it, and how objects of it are written."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..api import Api, Object, Refused, owner
from ..execs import Ended
from . import names, status

Run = Callable[[str, str, str, Sequence[str], str], Ended]
"""Runs a command in a container: namespace, pod, container, argv, standard input."""


class Failed(Exception):
    """A pass cannot go on; it is tried again with growing pauses."""


class MissingImage(Exception):
    """Neither the cluster nor the operator's environment names an image."""


@dataclass
class Moment:
    """One pass.

    Attributes:
        api: the server.
        run: commands in containers.
        cluster: the PostgresCluster as it was read.
        environment: of the operator: which images there are.
        status: its status, to be changed; written when the pass ends.
        again: seconds until the next pass, or None.
    """

    api: Api
    run: Run
    cluster: Object
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    status: Object = field(init=False)
    again: float | None = None

    def __post_init__(self) -> None:
        self.status = copy.deepcopy(self.cluster.get("status") or {})

    @property
    def name(self) -> str:
        """Of the cluster."""
        return str(self.cluster["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Of the cluster."""
        return str(self.cluster["metadata"]["namespace"])

    @property
    def generation(self) -> int:
        """Of the cluster's spec."""
        return int(self.cluster["metadata"].get("generation", 0))

    @property
    def annotations(self) -> Mapping[str, str]:
        """Of the cluster."""
        found: Mapping[str, str] = self.cluster["metadata"].get("annotations") or {}
        return found

    @property
    def spec(self) -> Object:
        """What is wanted."""
        found: Object = self.cluster["spec"]
        return found

    @property
    def major(self) -> int:
        """Version of PostgreSQL."""
        return int(self.spec["postgresVersion"])

    @property
    def port(self) -> int:
        """Of PostgreSQL."""
        return int(self.spec.get("port", 5432))

    @property
    def backrest(self) -> Object:
        """`spec.backups.pgbackrest`; empty where backups are not wanted."""
        found: Object = (self.spec.get("backups") or {}).get("pgbackrest") or {}
        return found

    @property
    def repos(self) -> list[Object]:
        """The repositories; the first is the one that counts for new replicas."""
        return list(self.backrest.get("repos") or ())

    @property
    def shutdown(self) -> bool:
        """Whether nothing of it shall run."""
        return bool(self.spec.get("shutdown"))

    @property
    def bouncer(self) -> Object | None:
        """`spec.proxy.pgBouncer`, or None."""
        return (self.spec.get("proxy") or {}).get("pgBouncer")

    @property
    def system_identifier(self) -> str:
        """Of the database, once it was born; else ""."""
        return str((self.status.get("patroni") or {}).get("systemIdentifier") or "")

    def set(self, name: str) -> Object | None:
        """An instance set of the spec."""
        return next((each for each in self.spec["instances"] if each.get("name", "") == name), None)

    def image(self, variable: str, *specs: Object | None) -> str:
        """An image: of the spec where it names one, else of the operator's environment. Raises MissingImage."""
        for each in specs:
            if each and each.get("image"):
                return str(each["image"])
        found = self.environment.get(variable, "")
        if not found:
            raise MissingImage(variable)
        return found

    def postgres_image(self) -> str:
        """Image of PostgreSQL."""
        return self.image(f"RELATED_IMAGE_POSTGRES_{self.major}", self.spec)

    def backrest_image(self) -> str:
        """Image of pgBackRest."""
        return self.image("RELATED_IMAGE_PGBACKREST", self.backrest)

    def bouncer_image(self) -> str:
        """Image of PgBouncer."""
        return self.image("RELATED_IMAGE_PGBOUNCER", self.bouncer)

    def meta(
        self, name: str, labels: Mapping[str, str], *specs: Object | None, annotations: Mapping[str, str] | None = None
    ) -> Object:
        """Metadata of an object of this cluster, which goes when the cluster goes.

        Args:
            name: of the object.
            labels: its own.
            specs: parts of the spec whose `metadata` is taken over, the cluster's own first.
            annotations: its own.
        """
        taken = [(each or {}).get("metadata") or {} for each in (self.spec, *specs)]
        all_labels: dict[str, str] = {}
        all_annotations: dict[str, str] = {}
        for each in taken:
            all_labels |= each.get("labels") or {}
            all_annotations |= each.get("annotations") or {}
        made: Object = {
            "name": name,
            "namespace": self.namespace,
            "labels": {**all_labels, **labels, names.CLUSTER: self.name},
            "ownerReferences": [owner({**self.cluster, "apiVersion": names.API, "kind": names.KIND})],
        }
        all_annotations |= annotations or {}
        return {**made, "annotations": all_annotations} if all_annotations else made

    def write(self, api: str, kind: str, meta: Object, **content: Any) -> Object:
        """Server-side apply of an object; gives it as it is then."""
        return self.api.apply({"apiVersion": api, "kind": kind, "metadata": meta, **content})

    def read(self, api: str, kind: str, name: str) -> Object | None:
        """An object in the cluster's namespace."""
        return self.api.get(api, kind, name, self.namespace)

    def listed(self, api: str, kind: str, **labels: str) -> list[Object]:
        """Objects of this cluster. `labels`: further ones by their short name, as `role`; "" for any value."""
        wanted = [f"{names.CLUSTER}={self.name}"]
        wanted += [f"{_label(key)}={value}" if value else _label(key) for key, value in labels.items()]
        return self.api.objects(api, kind, self.namespace, ",".join(wanted))

    def remove(self, api: str, kind: str, name: str) -> None:
        """Deletes an object, if it is this cluster's own."""
        found = self.read(api, kind, name)
        if found is not None and self.owns(found):
            self.api.delete(found)

    def owns(self, about: Object) -> bool:
        """Whether an object belongs to this very cluster."""
        owners = about["metadata"].get("ownerReferences") or ()
        return any(each["uid"] == self.cluster["metadata"]["uid"] and each.get("controller") for each in owners)

    def say(self, kind: str, value: bool | str, reason: str, message: str) -> None:
        """Sets a condition of the cluster."""
        status.put(self.status, kind, str(value), reason, message, self.generation)

    def event(self, reason: str, message: str, *, warning: bool = True) -> None:
        """Records an event about the cluster."""
        about = {**self.cluster, "apiVersion": names.API, "kind": names.KIND}
        self.api.event(about, "Warning" if warning else "Normal", reason, message)

    def requeue(self, seconds: float) -> None:
        """Wants another pass; the soonest wins."""
        self.again = seconds if self.again is None else min(self.again, seconds)

    def save(self) -> None:
        """Writes the status where it changed. A cluster that vanished meanwhile has none."""
        changed = status.difference(self.cluster.get("status") or {}, self.status)
        if changed is None:
            return
        try:
            self.api.patch_status({**self.cluster, "apiVersion": names.API, "kind": names.KIND}, changed)
        except Refused as refused:
            if refused.status != 404:
                raise


def _label(short: str) -> str:
    return f"{names.GROUP}/{short.replace('_', '-')}"

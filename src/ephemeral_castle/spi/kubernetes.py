"""The door to a Kubernetes API server, as drivers see it. Implemented in `world.kubernetes`, played in tests.

A manifest is the JSON object that the API server takes and gives. Kinds are named by `apiVersion` and `kind`; their
plural and scope are found by discovery.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ephemeral_castle.manifests.readiness import Manifest as Manifest  # noqa: PLC0414, for drivers
from ephemeral_castle.manifests.readiness import Readiness as Readiness  # noqa: PLC0414, for drivers
from ephemeral_castle.manifests.readiness import Stage as Stage  # noqa: PLC0414, for drivers
from ephemeral_castle.spi.processes import Process, Result
from ephemeral_castle.spi.secret import Secret

MANAGER = "castle"  # the field manager; kustomize-controller strips the fields of managers named `kubectl...`


@dataclass(frozen=True)
class ClusterAccess:
    """How an API server is reached, and as whom.

    Attributes:
        server: `https://HOST:PORT` as seen from this computer.
        ca: PEM text of the CA that must have signed its certificate.
        certificate, key: PEM texts of a client certificate; "" and None where a token is used.
        token: bearer token, or None.
        name: the name that its certificate must carry, where that is not HOST; "" for HOST.
    """

    server: str
    ca: str
    certificate: str = ""
    key: Secret | None = None
    token: Secret | None = None
    name: str = ""


@dataclass(frozen=True)
class Ref:
    """One object. `namespace` is "" for a kind of the whole cluster."""

    api: str  # apiVersion, as `apps/v1`
    kind: str
    name: str
    namespace: str = ""

    @classmethod
    def of(cls, manifest: Manifest) -> Ref:
        """The object that a manifest is about."""
        meta = manifest["metadata"]
        return cls(manifest["apiVersion"], manifest["kind"], meta["name"], meta.get("namespace", ""))

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


Judge = Callable[[Manifest | None], Readiness]
"""Pure: judges an object as it was last seen; None while it does not exist."""


@dataclass(frozen=True)
class Change:
    """One event of a watch: `type` is ADDED, MODIFIED or DELETED; an object of the first list comes as ADDED."""

    type: str
    object: Manifest = field(repr=False)


class Cluster(Protocol):
    """One API server.

    Every call raises Unreachable (nothing answers, or 5xx, or 429 after retries), Denied (401, 403), and Permanent with
    the server's own words for 400 and 422. An API server that restarts during `until` or `watch` is waited for.
    """

    @property
    def server(self) -> str:
        """Its address."""
        ...

    async def version(self) -> str:
        """`gitVersion` of the server, such as v1.36.3."""
        ...

    async def ready(self) -> bool:
        """Whether /readyz says ok; False too when nothing answers."""
        ...

    async def get(self, ref: Ref) -> Manifest | None:
        """The object, or None when the server says that it, or its kind, does not exist."""
        ...

    async def list(self, api: str, kind: str, namespace: str = "", *, labels: str = "") -> Sequence[Manifest]:
        """All objects of a kind, every page; of all namespaces when none is named. Raises NotFound: unknown kind."""
        ...

    async def create(self, manifest: Manifest) -> Manifest:
        """Creates it. Raises Conflict: it exists already."""
        ...

    async def apply(self, manifest: Manifest, *, dry_run: bool = False, force: bool = True) -> Manifest:
        """Server-side apply as manager `castle`, strict about unknown fields; gives the object as it is then.

        Raises:
            Conflict: another manager owns a field, and `force` is off.
            NotFound: its kind or its namespace is not known (yet).
        """
        ...

    async def patch(self, ref: Ref, body: Manifest, *, subresource: str = "") -> Manifest:
        """JSON merge patch of the object or of a subresource (`status`, `scale`). Raises NotFound."""
        ...

    async def delete(self, ref: Ref, *, uid: str = "", grace: int | None = None, foreground: bool = False) -> None:
        """Asks to delete it; no error when it is gone.

        Args:
            ref: the object.
            uid: only while it is this very one, else Conflict.
            grace: seconds; None for the kind's own.
            foreground: the object stays until all that it owns is gone.
        """
        ...

    def watch(self, api: str, kind: str, namespace: str = "", *, labels: str = "") -> AsyncIterator[Change]:
        """Every change from now on, after all that is there; never ends by itself.

        Survives time-outs, a restarted server and 410 Gone: it lists again and tells only what differs. An object that
        went unseen comes as DELETED with its name, namespace and uid alone. Objects come without `managedFields`.

        Raises:
            NotFound: the server does not know the kind, or no longer.
        """
        ...

    async def until(self, ref: Ref, judge: Judge, *, timeout: float, title: str = "") -> Manifest | None:
        """Waits on a watch until `judge` says ready; gives the object (None where absence is what was waited for).

        Raises:
            Permanent: `judge` says failed. Transient: `timeout` seconds passed. Both carry the reason: the object's
                last condition, its newest events, and the last log lines of a pod that does not start.
        """
        ...

    async def explain(self, ref: Ref) -> str:
        """Why it is not ready, for people: conditions, newest events, last log lines of its pods. "" if unknown."""
        ...

    async def log(
        self, namespace: str, pod: str, *, container: str = "", lines: int = 20, previous: bool = False
    ) -> str:
        """The last lines of a container's log; "" when it has none."""
        ...

    async def run(
        self,
        namespace: str,
        pod: str,
        argv: Sequence[str],
        *,
        container: str = "",
        stdin: bytes = b"",
        timeout: float = 60.0,
    ) -> Result:
        """Runs a command in a container to its end. Raises NotFound: no such pod or container runs."""
        ...

    async def spawn(self, namespace: str, pod: str, argv: Sequence[str], *, container: str = "") -> Process:
        """Starts a command in a container and keeps standard input and output open."""
        ...

    async def close(self) -> None:
        """Ends watches and connections."""
        ...

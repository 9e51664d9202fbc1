"""An API server in memory that lets its one client do only what was granted, and keeps what that used.

Which verbs a call needs: the table in `spi.claims`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence

from ephemeral_castle.errors import Denied
from ephemeral_castle.spi.claims import Claim
from ephemeral_castle.spi.kubernetes import Change, Judge, Manifest, Ref
from ephemeral_castle.spi.processes import Process, Result
from ephemeral_castle.world.simulated_kubernetes import MemoryCluster

PLURALS = {
    "NetworkPolicy": "networkpolicies", "Ingress": "ingresses", "StorageClass": "storageclasses",
    "GitRepository": "gitrepositories", "Endpoints": "endpoints",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
}  # fmt: skip
REVIEW = "SelfSubjectAccessReview"


def plural(kind: str) -> str:
    return PLURALS.get(kind, kind.lower() + "s")


def claim(api: str, kind: str, verb: str, namespace: str = "", sub: str = "") -> Claim:
    group = api.rpartition("/")[0]
    return Claim(group, plural(kind) + (f"/{sub}" if sub else ""), verb, namespace)


class GuardedCluster(MemoryCluster):
    """Attributes.

    granted: what may be done; None for everything. used: what was done. asked: whether the client asked for its rights.
    """

    def __init__(self, granted: Iterable[Claim] | None = None) -> None:
        super().__init__()
        self.granted = None if granted is None else set(granted)
        self.used: set[Claim] = set()
        self.asked = 0

    def allowed(self, wanted: Claim) -> bool:
        """Whether a grant covers it: of the same kind and verb, in that namespace or everywhere."""
        if self.granted is None:
            return True
        everywhere = Claim(wanted.group, wanted.resource, wanted.verb)
        return wanted in self.granted or everywhere in self.granted

    def _use(self, api: str, kind: str, verbs: str, namespace: str = "", sub: str = "") -> None:
        for verb in verbs.split():
            wanted = claim(api, kind, verb, namespace, sub)
            if not self.allowed(wanted):
                raise Denied(f"{wanted} is not allowed")
            self.used.add(wanted)

    async def get(self, ref: Ref) -> Manifest | None:
        self._use(ref.api, ref.kind, "get", ref.namespace)
        return await super().get(ref)

    async def list(self, api: str, kind: str, namespace: str = "", *, labels: str = "") -> Sequence[Manifest]:
        self._use(api, kind, "list", namespace)
        return await super().list(api, kind, namespace, labels=labels)

    async def create(self, manifest: Manifest) -> Manifest:
        if manifest["kind"] == REVIEW:
            self.asked += 1
            return {**manifest, "status": {"allowed": self.allowed(reviewed(manifest))}}
        ref = Ref.of(manifest)
        self._use(ref.api, ref.kind, "create", ref.namespace)
        return await super().create(manifest)

    async def apply(self, manifest: Manifest, *, dry_run: bool = False, force: bool = True) -> Manifest:
        ref = Ref.of(manifest)
        self._use(ref.api, ref.kind, "patch" if ref in self.objects else "patch create", ref.namespace)
        return await super().apply(manifest, dry_run=dry_run, force=force)

    async def patch(self, ref: Ref, body: Manifest, *, subresource: str = "") -> Manifest:
        self._use(ref.api, ref.kind, "patch", ref.namespace, subresource)
        return await super().patch(ref, body, subresource=subresource)

    async def delete(self, ref: Ref, *, uid: str = "", grace: int | None = None, foreground: bool = False) -> None:
        self._use(ref.api, ref.kind, "delete", ref.namespace)
        await super().delete(ref, uid=uid, grace=grace, foreground=foreground)

    async def watch(self, api: str, kind: str, namespace: str = "", *, labels: str = "") -> AsyncIterator[Change]:
        self._use(api, kind, "list watch", namespace)
        async for change in super().watch(api, kind, namespace, labels=labels):
            yield change

    async def until(self, ref: Ref, judge: Judge, *, timeout: float, title: str = "") -> Manifest | None:
        self._use(ref.api, ref.kind, "get list watch", ref.namespace)
        return await super().until(ref, judge, timeout=timeout, title=title)

    async def run(
        self, namespace: str, pod: str, argv: Sequence[str], *, container: str = "", stdin: bytes = b"",
        timeout: float = 60.0,
    ) -> Result:  # fmt: skip
        self._use("v1", "Pod", "get create", namespace, "exec")
        return await super().run(namespace, pod, argv, container=container, stdin=stdin, timeout=timeout)

    async def spawn(self, namespace: str, pod: str, argv: Sequence[str], *, container: str = "") -> Process:
        self._use("v1", "Pod", "get create", namespace, "exec")
        return await super().spawn(namespace, pod, argv, container=container)


def reviewed(manifest: Manifest) -> Claim:
    """The claim that a review asks about."""
    wanted = manifest["spec"]["resourceAttributes"]
    sub = wanted.get("subresource")
    resource = wanted["resource"] + (f"/{sub}" if sub else "")
    return Claim(wanted["group"], resource, wanted["verb"], wanted.get("namespace", ""))

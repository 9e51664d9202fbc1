"""Plays Flux on a cluster in memory, with the habits of the real one that matter: nothing watches dependencies, a
failed unit waits for its retry, a failure leaves `status.observedGeneration` behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.flux import units
from ephemeral_castle.drivers.flux.vocabulary import KUSTOMIZE, PARENT_NAME, PARENT_NAMESPACE, REQUESTED, SOURCE
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.world.simulated_kubernetes import MemoryCluster

REQUEUE, RETRY = 30.0, 600.0
Failure = tuple[str, str]


class Flux:
    """source-controller, kustomize-controller, and the kubelet that runs their Deployments.

    Attributes:
        trees: by unit, what it applies; the root is "flux-system".
        heads: by branch or tag, its commit.
        health: by unit, seconds until its objects are well after they were applied.
        failures: by unit, what its next passes end with, in order; the last one stays when it is given thrice.
        fetch: what the next fetches end with; empty for a good one.
        revision: what a GitRepository is given instead of the commit that it asks for.
        dead: the unit whose next pass ends without a word.
        passes: every pass of a unit that went beyond its dependencies, in order.
        hung: controllers that live and do nothing, until their pod is ended; deaf: also the next one.
    """

    def __init__(
        self, cluster: MemoryCluster, trees: Mapping[str, Sequence[Manifest]], heads: Mapping[str, str] | None = None
    ) -> None:
        self.cluster = cluster
        self.heads = {} if heads is None else heads
        self.trees = dict(trees)
        self.health: dict[str, float] = {}
        self.failures: dict[str, list[Failure]] = {}
        self.fetch: list[Failure] = []
        self.revision = ""
        self.passes: list[str] = []
        self.dead = ""
        self.hung: set[str] = set()
        self.deaf = False
        self.configs_missing: dict[str, str] = {}
        self._busy: set[str] = set()
        self._again: set[str] = set()
        self._seen: dict[str, tuple[Any, ...]] = {}
        cluster.react("Deployment", self._run)
        cluster.react("GitRepository", self._source)
        cluster.react("Kustomization", self._unit)
        cluster.react("Pod", self._pod)

    def _run(self, deployment: Manifest) -> None:
        count = deployment["spec"].get("replicas", 1)
        generation = deployment["metadata"]["generation"]
        if deployment.get("status", {}).get("observedGeneration") == generation:
            return
        status = {
            "observedGeneration": generation, "replicas": count, "updatedReplicas": count, "readyReplicas": count,
            "availableReplicas": count, "conditions": [{"type": "Available", "status": "True"}],
        }  # fmt: skip
        self.cluster.later(1.0, lambda: self._runs(deployment, status))

    def _runs(self, deployment: Manifest, status: Manifest) -> None:
        self.cluster.status(deployment, status)
        self._replaced(deployment["metadata"]["name"], 1)

    def _replaced(self, name: str, number: int) -> None:
        """A pod of a controller comes, and looks at everything, as each does that starts."""
        meta = {"name": f"{name}-{number}", "namespace": "flux-system", "labels": {"app": name},
                "finalizers": ["kubelet"]}  # fmt: skip
        self.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {}})

    def _pod(self, live: Manifest) -> None:
        """The kubelet ends what is to be ended; what hangs is killed a while later."""
        if live["metadata"].get("deletionTimestamp"):
            self.cluster.later(30.0, lambda: self._ended(Ref.of(live)))

    def _ended(self, ref: Ref) -> None:
        name, _, number = ref.name.rpartition("-")
        self.cluster.remove(ref)
        if not self.deaf:
            self.hung.discard(name)
        self._replaced(name, int(number) + 1)
        for each in [*self.cluster.all("Kustomization"), *self.cluster.all("GitRepository")]:
            self._seen.pop(f"{each['kind']} {each['metadata']['name']}", None)
            self._unit(each) if each["kind"] == "Kustomization" else self._source(each)

    # source-controller

    def _source(self, live: Manifest) -> None:
        if "source-controller" in self.hung or live["spec"].get("suspend") or not self._new(live):
            return
        self.cluster.later(0.5, lambda: self._fetched(Ref.of(live)))

    def _fetched(self, ref: Ref) -> None:
        live = self.cluster.objects.get(ref)
        if live is None:
            return
        handled = (live["metadata"].get("annotations") or {}).get(REQUESTED, "")
        if self.fetch:
            failure = self.fetch[0]
            self.fetch = self.fetch[1:] if len(self.fetch) < 3 else self.fetch
            self._say(ref, {"lastHandledReconcileAt": handled}, "False", *failure)
            self.cluster.later(5.0, lambda: self._fetched(ref))
            return
        asked = live["spec"]["ref"]
        commit = asked.get("commit") or self.heads.get(asked.get("branch") or asked.get("tag"), "")
        name = f"{asked['branch']}@" if "branch" in asked else f"{asked['tag']}@" if "tag" in asked else ""
        revision = self.revision or f"{name}sha1:{commit}"
        before = (live.get("status", {}).get("artifact") or {}).get("revision")
        status = {
            "observedGeneration": live["metadata"]["generation"],
            "lastHandledReconcileAt": handled,
            "artifact": {"revision": revision},
        }
        self._say(ref, status, "True", "Succeeded", f"stored artifact for revision '{revision}'")
        for each in self.cluster.all("Kustomization") if revision != before else ():
            self._start(Ref.of(each))

    # kustomize-controller

    def _new(self, live: Manifest) -> bool:
        """Whether a change wakes a controller: a new spec, or a request."""
        key = (live["metadata"]["generation"], (live["metadata"].get("annotations") or {}).get(REQUESTED))
        name = f"{live['kind']} {live['metadata']['name']}"
        before, self._seen[name] = self._seen.get(name), key
        return before != key

    def _unit(self, live: Manifest) -> None:
        if self._new(live):
            self._start(Ref.of(live))

    def _start(self, ref: Ref) -> None:
        if "kustomize-controller" in self.hung:
            return
        if ref.name in self._busy:
            self._again.add(ref.name)
            return
        self._busy.add(ref.name)
        self.cluster.later(0.05, lambda: self._begin(ref))

    def _end(self, ref: Ref, again: float = 0.0) -> None:
        self._busy.discard(ref.name)
        if ref.name in self._again:
            self._again.discard(ref.name)
            self._start(ref)
        elif again:
            self.cluster.later(again, lambda: self._start(ref))

    def _begin(self, ref: Ref) -> None:
        live = self.cluster.objects.get(ref)
        if live is None or live["spec"].get("suspend"):
            self._busy.discard(ref.name)
            return
        source = self.cluster.objects.get(
            Ref(SOURCE, "GitRepository", live["spec"]["sourceRef"]["name"], ref.namespace)
        )
        revision = ((source or {}).get("status", {}).get("artifact") or {}).get("revision", "")
        handled = {"lastHandledReconcileAt": (live["metadata"].get("annotations") or {}).get(REQUESTED, "")}
        if not revision:
            self._say(ref, handled, "False", "ArtifactFailed", "Source artifact not found, retrying in 30s")
            self._end(ref, REQUEUE)
            return
        blocked = self._blocked(live, revision)
        if blocked:
            self._say(ref, handled, "False", "DependencyNotReady", blocked)
            self._end(ref, REQUEUE)
            return
        self.passes.append(ref.name)
        doing = f"Building manifests for revision {revision} with a timeout of 3m"
        self._say(ref, {**handled, "lastAttemptedRevision": revision}, "Unknown", "Progressing", "in progress", doing)
        if ref.name == self.dead:
            self.dead = ""
            self._busy.discard(ref.name)
            return
        self.cluster.later(0.5, lambda: self._apply(ref, revision))

    def _blocked(self, live: Manifest, revision: str) -> str:
        for each in live["spec"].get("dependsOn", ()):
            need = self.cluster.objects.get(
                Ref(KUSTOMIZE, "Kustomization", each["name"], live["metadata"]["namespace"])
            )
            name = f"{live['metadata']['namespace']}/{each['name']}"
            if need is None:
                return f"dependency '{name}' not found"
            found = units.read(need)
            if found.observed != found.generation or found.ready.status != "True":
                return f"dependency '{name}' is not ready"
            if found.applied != revision:
                return f"dependency '{name}' revision is not up to date"
        return ""

    def _apply(self, ref: Ref, revision: str) -> None:
        if ref not in self.cluster.objects:
            return
        failure = self._failure(ref.name)
        if failure:
            self._say(ref, {}, "False", *failure)
            self._end(ref, RETRY)
            return
        applied = self.trees.get(ref.name, ())
        for each in applied:
            labels = {PARENT_NAME: ref.name, PARENT_NAMESPACE: ref.namespace}
            self.cluster.put({**each, "metadata": {**each["metadata"], "labels": labels}}, "kustomize-controller")
        entries = [{"id": _id(each), "v": "v1"} for each in applied]
        doing = f"Running health checks for revision {revision} with a timeout of 3m"
        self._say(ref, {"inventory": {"entries": entries}}, "Unknown", "Progressing", "in progress", doing)
        self.cluster.later(self.health.get(ref.name, 0.0), lambda: self._well(ref, revision))

    def _failure(self, name: str) -> Failure | None:
        if name in self.configs_missing:
            wanted = self.configs_missing[name]
            if not any(each["metadata"]["name"] == wanted for each in self.cluster.all("ConfigMap")):
                text = f"post build failed for 'x': substitute from 'ConfigMap/{wanted}' error: \"{wanted}\" not found"
                return "BuildFailed", text
        left = self.failures.get(name, [])
        if not left:
            return None
        return left[0] if len(left) >= 3 else left.pop(0)

    def _well(self, ref: Ref, revision: str) -> None:
        live = self.cluster.objects.get(ref)
        if live is None:
            return
        status = {"observedGeneration": live["metadata"]["generation"], "lastAppliedRevision": revision}
        self._say(ref, status, "True", "ReconciliationSucceeded", f"Applied revision: {revision}")
        self._end(ref)

    def _say(self, ref: Ref, status: Manifest, ready: str, reason: str, message: str, doing: str = "") -> None:
        live = self.cluster.objects[ref]
        generation = live["metadata"]["generation"]
        now = f"{self.cluster.objects[ref]['metadata']['resourceVersion']}"
        conditions = [
            {"type": "Ready", "status": ready, "reason": reason, "message": message, "observedGeneration": generation,
             "lastTransitionTime": now}
        ]  # fmt: skip
        if doing:
            conditions.append({"type": "Reconciling", "status": "True", "reason": "Progressing", "message": doing})
        self.cluster.status(ref, {**status, "conditions": conditions})


def _id(manifest: Manifest) -> str:
    meta, api = manifest["metadata"], manifest["apiVersion"]
    return f"{meta.get('namespace', '')}_{meta['name']}_{api.rpartition('/')[0]}_{manifest['kind']}"

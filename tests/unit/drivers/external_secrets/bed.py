"""A run of one castle with a cluster in memory and the operator played on it, in virtual time."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.external_secrets import ExternalSecretsDriver
from ephemeral_castle.drivers.external_secrets.options import ExternalSecretsOptions
from ephemeral_castle.model.castle import Layer, Role, Site
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.world.simulated_kubernetes import MemoryCluster
from tests.unit import cluster_bed

API = "external-secrets.io/v1"
FORCE = "external-secrets.io/force-sync"
PASS = "tulip-4711"
CONF = f"[global]\nrepo1-s3-key=AKEY\nrepo1-s3-key-secret=sesame\nrepo1-cipher-pass={PASS}\n"
FOUNDATIONS = Layer("cluster", Role.FOUNDATIONS, "kubeadm")
LAYER = Layer("secrets", Role.WALLS, "external-secrets", ("cluster", "walls"))
DATABASE = Layer("database", Role.TREASURES, "postgres", ("cluster",))
SITE = Site("lab", (FOUNDATIONS, LAYER))
CIPHER = {"secret": "data/db-s3", "key": "s3.conf", "equals": "database/cipher"}
NAMED = {"secrets": [{"namespace": "data", "name": "db-s3", "keys": ["s3.conf"]}]}


def encoded(values: Mapping[str, str]) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


def external(name: str = "db-s3", space: str = "data", *, store: str = "vault", **spec: Any) -> Manifest:
    """An ExternalSecret of one key."""
    ref = {"kind": "ClusterSecretStore", "name": store}
    data = [{"secretKey": "s3.conf", "remoteRef": {"key": "castle/db", "property": "s3conf"}}]
    whole = {"refreshInterval": "1h0m0s", "secretStoreRef": ref, "target": {"name": name}, "data": data, **spec}
    meta = {"name": name, "namespace": space}
    return {"apiVersion": API, "kind": "ExternalSecret", "metadata": meta, "spec": whole}


class Operator:
    """Plays the operator: a pass after each change, by what lies in the store; its pauses as the real one's.

    Attributes:
        values: of the store, by name of the ExternalSecret; missing: the store has no such secret.
        delay: seconds of a pass.
        away: whether no pod of it runs.
        wrong: a cause by which every pass fails.
        passes: how many there were, by name.
    """

    def __init__(self, api: MemoryCluster) -> None:
        self.api, self.delay, self.away, self.wrong = api, 0.2, False, ""
        self.values: dict[str, Mapping[str, str]] = {"db-s3": {"s3.conf": CONF}}
        self.passes: dict[str, int] = {}
        self.handled: dict[Ref, str] = {}
        self.needs_store = True
        api.react("ExternalSecret", self.woken)

    def woken(self, manifest: Manifest) -> None:
        ref, mark = Ref.of(manifest), self.mark(manifest)
        if self.handled.get(ref) != mark and not self.away:
            self.handled[ref] = mark
            self.api.later(self.delay, lambda: self.work(ref))

    def mark(self, manifest: Manifest) -> str:
        meta = manifest["metadata"]
        return (
            f"{meta.get('generation', 0)}-{hash(str(sorted((meta.get('annotations') or {}).items()))) & 0xFFFFFFFF:x}"
        )

    def work(self, ref: Ref) -> None:
        manifest = self.api.objects.get(ref)
        if manifest is None or self.away:
            return
        self.passes[ref.name] = self.passes.get(ref.name, 0) + 1
        status = manifest.get("status") or {}
        if str(manifest["spec"].get("refreshInterval")) == "0" and status.get("syncedResourceVersion"):
            return
        why = self.wrong or self._store_wrong(manifest)
        values = self.values.get(ref.name)
        if not why and values is None:
            why = "error processing spec.data[0] (key: castle/db), err: Secret does not exist"
        if why:
            self.fail(ref, why)
            return
        self.secret(manifest, values or {})
        self.say(ref, "True", "SecretSynced", "secret synced", {"syncedResourceVersion": self.mark(manifest),
                 "refreshTime": "2026-01-01T00:00:00Z"})  # fmt: skip

    def _store_wrong(self, manifest: Manifest) -> str:
        name = manifest["spec"]["secretStoreRef"]["name"]
        found = self.api.objects.get(Ref(API, "ClusterSecretStore", name)) or {}
        conditions = (found.get("status") or {}).get("conditions") or [{}]
        well = conditions[0].get("status") == "True" or not self.needs_store
        return "" if well else f'ClusterSecretStore "{name}" is not ready'

    def fail(self, ref: Ref, why: str) -> None:
        """The condition is generic; the event is not, and counts."""
        name = f"{ref.name}.{hash(why) & 0xFFFFFF:x}"
        old = self.api.objects.get(Ref("v1", "Event", name, ref.namespace))
        count = int((old or {}).get("count", 0)) + 1
        about = {"kind": ref.kind, "name": ref.name, "uid": self.api.objects[ref]["metadata"]["uid"]}
        meta = {"name": name, "namespace": ref.namespace}
        self.api.put({"apiVersion": "v1", "kind": "Event", "metadata": meta, "involvedObject": about, "count": count,
                      "reason": "UpdateFailed", "type": "Warning", "message": why,
                      "lastTimestamp": "2026-01-01T00:00:00Z"})  # fmt: skip
        self.say(ref, "False", "SecretSyncedError", "could not get secret data from provider", {})

    def say(self, ref: Ref, status: str, reason: str, message: str, more: Mapping[str, str]) -> None:
        condition = {"type": "Ready", "status": status, "reason": reason, "message": message}
        self.api.status(ref, {"conditions": [condition], **more})

    def secret(self, manifest: Manifest, values: Mapping[str, str]) -> None:
        meta, target = manifest["metadata"], manifest["spec"].get("target") or {}
        name = target.get("name") or meta["name"]
        ref = Ref("v1", "Secret", name, meta["namespace"])
        if ref in self.api.objects:
            self.api.remove(ref)
        self.api.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": meta["namespace"]},
                      "data": encoded(values)}, "external-secrets")  # fmt: skip


class Bed(cluster_bed.Bed):
    """One layer `external-secrets`, with the operator that it has."""

    driver: ExternalSecretsDriver
    options: ExternalSecretsOptions

    def __init__(self, **options: Any) -> None:
        super().__init__(ExternalSecretsDriver(), LAYER, site=SITE, **{"store": "vault", **options})
        self.operator = Operator(self.api)
        for name in ("data", "web"):
            self.api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self.secret("database/cipher", PASS)

    def store(self, status: str = "True", reason: str = "Valid", name: str = "vault", message: str = "") -> None:
        """The store as the operator describes it."""
        ready = [{"type": "Ready", "status": status, "reason": reason, "message": message}]
        self.api.put({"apiVersion": API, "kind": "ClusterSecretStore", "metadata": {"name": name},
                      "spec": {"provider": {"vault": {}}}, "status": {"conditions": ready}})  # fmt: skip

    def put(self, manifest: Manifest) -> Manifest:
        return self.api.put(manifest)

"""An API server in memory and a real or a played OpenBao, for the stand-in of the External Secrets Operator."""

from __future__ import annotations

import base64
import copy
import json
import urllib.parse
from collections.abc import Mapping
from typing import Any

from testbed.standins.api import Answer, Api, Kind, Object
from testbed.standins.external_secrets.bao import Bao, NoSecret

API = "external-secrets.io/v1"
PLURALS = {
    "secrets": ("v1", "Secret", True), "configmaps": ("v1", "ConfigMap", True), "events": ("v1", "Event", True),
    "namespaces": ("v1", "Namespace", False), "externalsecrets": (API, "ExternalSecret", True),
    "secretstores": (API, "SecretStore", True), "clustersecretstores": (API, "ClusterSecretStore", False),
}  # fmt: skip


class MemoryApi(Api):
    """Answers requests from memory; versions, generations and conflicts are a real server's.

    `before`: called with method and path ahead of each request; may raise. `wrote`: method and path of each change.
    """

    def __init__(self) -> None:
        self.manager = "external-secrets"
        self._kinds = {(api, kind): Kind(plural, inside) for plural, (api, kind, inside) in PLURALS.items()}
        self.things: dict[str, Object] = {}
        self.wrote: list[str] = []
        self.before: Any = None
        self.version = 0

    def put(self, thing: Object) -> Object:
        """Somebody applies an object."""
        meta = thing["metadata"]
        home = self.path(thing["apiVersion"], thing["kind"], meta.get("namespace", ""))
        old = self.things.get(f"{home}/{meta['name']}")
        if old is None:
            return self.request("POST", home, thing).object
        body = {**old, **thing, "metadata": {**old["metadata"], **meta}}
        return self.request("PUT", f"{home}/{meta['name']}", body).object

    def events(self, reason: str) -> list[str]:
        return [e["message"] for e in self.things.values() if e["kind"] == "Event" and e["reason"] == reason]

    def request(
        self, method: str, path: str, body: Object | None = None, query: Mapping[str, str] | None = None,
        kind: str = "application/json",
    ) -> Answer:  # fmt: skip
        if self.before:
            self.before(method, path)
        path = urllib.parse.unquote(path)
        if method != "GET":
            self.wrote.append(f"{method} {path}")
        code, found = getattr(self, f"_{method.lower()}")(path, copy.deepcopy(body), query or {})
        return Answer(code, json.dumps(found).encode())

    def _get(self, path: str, _body: Object | None, query: Mapping[str, str]) -> tuple[int, Object]:
        if path in self.things:
            return 200, self.things[path]
        plural = path.rsplit("/", 1)[-1]
        if plural not in PLURALS:
            return 404, {"reason": "NotFound", "message": f"{path} not found"}
        wanted = [each.split("=") for each in query.get("labelSelector", "").split(",") if each]
        found = [
            each for key, each in self.things.items()
            if f"/{plural}/" in key and (key.startswith(f"{path}/") or "/namespaces/" not in path)
            and all((each["metadata"].get("labels") or {}).get(name) == value for name, value in wanted)
        ]  # fmt: skip
        return 200, {"items": found, "metadata": {"resourceVersion": str(self.version)}}

    def _post(self, path: str, body: Object, query: Mapping[str, str]) -> tuple[int, Object]:
        key = f"{path}/{body['metadata']['name']}"
        if key in self.things:
            return 409, {"reason": "AlreadyExists", "message": f"{key} already exists"}
        body["metadata"] |= {"uid": f"uid-{self.version}", "generation": 1}
        return 201, self._keep(key, body, query)

    def _put(self, path: str, body: Object, query: Mapping[str, str]) -> tuple[int, Object]:
        key, _, sub = path.partition("/status")
        old = self.things.get(key)
        if old is None:
            return 404, {"reason": "NotFound", "message": f"{key} not found"}
        if body["metadata"].get("resourceVersion") not in (None, old["metadata"]["resourceVersion"]):
            return 409, {"reason": "Conflict", "message": "the object has been modified"}
        if path.endswith("/status") or sub:
            return 200, self._keep(key, {**old, "status": body.get("status")}, query)
        return 200, self._keep(key, {**body, **({"status": old["status"]} if "status" in old else {})}, query)

    def _patch(self, path: str, body: Object, query: Mapping[str, str]) -> tuple[int, Object]:
        key = path.removesuffix("/status")
        if key not in self.things:
            return 404, {"reason": "NotFound", "message": f"{key} not found"}
        return 200, self._keep(key, merged(self.things[key], body), query)

    def _delete(self, path: str, _body: Object | None, _query: Mapping[str, str]) -> tuple[int, Object]:
        found = self.things.get(path)
        if found is None:
            return 404, {"reason": "NotFound", "message": f"{path} not found"}
        if found["metadata"].get("finalizers"):
            found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        else:
            del self.things[path]
        return 200, found

    def _keep(self, key: str, new: Object, query: Mapping[str, str]) -> Object:
        old = self.things.get(key)
        self.version += 1
        meta = new["metadata"]
        meta["resourceVersion"] = str(self.version)
        if old is not None and old.get("spec") != new.get("spec"):
            meta["generation"] = old["metadata"]["generation"] + 1
        if new["kind"] == "Secret" and query.get("fieldManager"):
            meta["managedFields"] = owned(old, new, query["fieldManager"])
        if meta.get("deletionTimestamp") and not meta.get("finalizers"):
            self.things.pop(key, None)
            return new
        self.things[key] = copy.deepcopy(new)
        return new


def owned(old: Object | None, new: Object, manager: str) -> list[Object]:
    """Whose the keys of a Secret are: what somebody changes is his."""
    before, after = (old or {}).get("data") or {}, new.get("data") or {}
    entries = {each["manager"]: set(each["fieldsV1"]["f:data"]) for each in new["metadata"].get("managedFields") or ()}
    changed = {f"f:{key}" for key in after if before.get(key) != after[key]}
    entries = {who: keys - changed for who, keys in entries.items()}
    entries[manager] = entries.get(manager, set()) | changed | {"."}
    fields: dict[str, Object] = {who: {"f:data": {key: {} for key in sorted(keys)}} for who, keys in entries.items()}
    return [{"manager": who, "fieldsV1": each} for who, each in fields.items()]


def merged(old: Any, body: Any) -> Any:
    """A JSON merge patch."""
    if not isinstance(body, dict):
        return body
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in body.items():
        result[key] = merged(result.get(key), value)
    return {key: value for key, value in result.items() if value is not None}


def store(name: str = "vault", **vault: Any) -> Object:
    """A ClusterSecretStore of an OpenBao."""
    auth = {"tokenSecretRef": {"name": "vault-token", "key": "token", "namespace": "external-secrets"}}
    given = {"server": "http://bao.example:8200", "path": "kv", "version": "v2", "auth": auth, **vault}
    meta = {"name": name}
    return {"apiVersion": API, "kind": "ClusterSecretStore", "metadata": meta, "spec": {"provider": {"vault": given}}}


def external(
    name: str = "db-s3", *, template: Object | None = None, target: Object | None = None, **spec: Any
) -> Object:
    """An ExternalSecret of namespace `data`, of one property."""
    wanted: Object = {"name": name, **(target or {}), **({"template": template} if template else {})}
    data = [{"secretKey": "s3.conf", "remoteRef": {"key": "castle/db", "property": "s3conf"}}]
    whole = {"refreshInterval": "1h", "secretStoreRef": {"kind": "ClusterSecretStore", "name": "vault"},
             "target": wanted, "data": data, **spec}  # fmt: skip
    meta = {"name": name, "namespace": "data"}
    return {"apiVersion": API, "kind": "ExternalSecret", "metadata": meta, "spec": whole}


def token(text: str = "s.reader") -> Object:
    meta = {"name": "vault-token", "namespace": "external-secrets"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {"token": encoded(text)}}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def plain(secret: Object) -> dict[str, str]:
    return {key: base64.b64decode(text).decode() for key, text in (secret.get("data") or {}).items()}


class PlayedBao:
    """Plays the server behind `Bao.read` and `Bao.validate`, by the path of each secret."""

    def __init__(self, **secrets: Object) -> None:
        self.secrets: dict[str, Object] = dict(secrets)
        self.wrong: Exception | None = None

    def install(self, monkeypatch: Any) -> PlayedBao:
        def read(_: Bao, key: str, _version: str = "") -> Object:
            self._fail()
            if key not in self.secrets:
                raise NoSecret
            return dict(self.secrets[key])

        monkeypatch.setattr(Bao, "read", read)
        monkeypatch.setattr(Bao, "validate", lambda _: self._fail())
        return self

    def _fail(self) -> None:
        if self.wrong:
            raise self.wrong

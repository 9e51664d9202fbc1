"""One pass over an ExternalSecret: from the store to the Secret, and what is said about it.

Source: external-secrets v1.3.2, pkg/controllers/externalsecret/externalsecret_controller.go.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..api import Api, Object, Refused, stamp
from . import stores
from .bao import Bao, NoSecret, ProviderError
from .target import Foreign, Owned, Unsupported, mutated, name_of, target_of
from .template import TemplateError
from .words import (
    API,
    COMPONENT,
    CREATED_BY,
    DATA_HASH,
    DELETED,
    EXTERNAL,
    FINALIZER,
    MANAGED,
    MISSING,
    MISSING_PROVIDER,
    SYNC_ERROR,
    SYNCED,
    UPDATE_FAILED,
    digest,
    manager_of,
    seconds,
    set_ready,
    version_of,
)  # fmt: skip

GET, UPDATE = "could not get secret data from provider", "could not update secret"
OWNS, OWNED = "failed to take ownership of target secret", "target is owned by another ExternalSecret"
FIXED, REMOVE = "could not update secret, target is immutable", "could not delete secret"
DONE, KEPT = "secret synced", "secret retained due to DeletionPolicy=Retain"
GONE, ABSENT = "secret deleted due to DeletionPolicy=Delete", "secret will not be created due to CreationPolicy=Merge"


@dataclass(frozen=True)
class Next:
    """When to look again: `after` so many seconds, at once (0), never (None), or `failed`: after the back-off."""

    after: float | None = None
    failed: bool = False


NEVER, NOW, FAILED = Next(), Next(0.0), Next(failed=True)


class Immutable(Exception):
    """The Secret must not change."""


class Pass:
    """One pass.

    Args:
        api: the API server.
        namespace, name: of the ExternalSecret.
    """

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        self.api, self.namespace, self.name = api, namespace, name
        self.start = time.time()
        self.external: Object = {}

    def run(self) -> Next:
        """Does it. Raises Refused, Silent: the API server; that counts as a failure, too."""
        found = self.api.get(API, EXTERNAL, self.name, self.namespace)
        if found is None:
            return NEVER
        self.external = found
        if found["metadata"].get("deletionTimestamp"):
            return self._leave()
        finalizers = found["metadata"].get("finalizers") or []
        if FINALIZER not in finalizers:
            self.external = self.api.patch(found, {"metadata": {"finalizers": [*finalizers, FINALIZER]}})
        if target_of(self.external).get("manifest") or (self.external["spec"].get("syncWindows")):
            said = Unsupported("this is a stand-in for the operator: it makes Secrets only, and at any time")
            return self._settle(self._failed("invalid generic target", said))
        secret = self._secret()
        if secret and (secret["metadata"].get("labels") or {}).get(MANAGED) != "true":
            self._patch_secret(secret, {"metadata": {"labels": {MANAGED: "true"}}})
            return NOW
        if not self._due() and self._valid(secret):
            return self._again()
        return self._settle(self._sync(secret))

    # Whether there is anything to do.

    def _due(self) -> bool:
        """Whether it should be read from the store: what is set to zero or once is not nudged any more."""
        spec, status = self.external["spec"], self.external.get("status") or {}
        synced, refreshed = status.get("syncedResourceVersion") or "", status.get("refreshTime")
        policy = spec.get("refreshPolicy") or "Periodic"
        if policy != "Periodic" and not (synced and refreshed):
            return True
        if policy == "CreatedOnce":
            return False
        changed = synced != version_of(self.external["metadata"])
        if policy == "OnChange":
            return changed
        interval = self._interval()
        if interval <= 0 and synced:
            return False
        at = _moment(refreshed)
        return changed or not refreshed or at > self.start or at + interval < self.start

    def _interval(self) -> float:
        return seconds(str(self.external["spec"].get("refreshInterval") or "1h"))

    def _valid(self, secret: Object | None) -> bool:
        if target_of(self.external)["creationPolicy"] == "Orphan":
            return True
        if secret is None:
            return False
        notes = secret["metadata"].get("annotations") or {}
        return bool(notes.get(DATA_HASH) == digest(secret.get("data") or {}))

    def _again(self) -> Next:
        interval = self._interval()
        if interval <= 0:
            return NEVER
        refreshed = (self.external.get("status") or {}).get("refreshTime")
        return Next(max(0.0, _moment(refreshed) + interval - time.time()) if refreshed else interval)

    # Reading and writing.

    def _sync(self, secret: Object | None) -> Next:
        """The work itself; the status is written by the caller."""
        try:
            values = self._values()
        except (ProviderError, Unsupported, ValueError) as error:
            self._failed(GET, error)
            return FAILED
        target = target_of(self.external)
        if not values and target["deletionPolicy"] == "Delete":
            return self._delete(secret)
        if not values and target["deletionPolicy"] == "Retain":
            return self._done(SYNCED, KEPT)
        if target["creationPolicy"] == "Merge" and secret is None:
            return self._done(MISSING, ABSENT)
        return self._write(secret, values)

    def _write(self, secret: Object | None, values: Mapping[str, bytes]) -> Next:
        target = target_of(self.external)
        try:
            if target["creationPolicy"] == "Owner":
                self._drop_orphans()
            if target["creationPolicy"] != "None":
                self._put(secret, mutated(secret, self.external, values, self._data_of))
        except Foreign as error:
            return self._failed(OWNS, error)
        except Owned as error:
            return self._failed(OWNED, error)
        except Immutable as error:
            return self._failed(FIXED, error)
        except Refused as error:
            if error.status == 409:
                return NOW
            self._failed(UPDATE, error)
            return FAILED
        except (TemplateError, Unsupported) as error:
            self._failed(UPDATE, Unsupported(f"could not apply template: {error}"))
            return FAILED
        return self._done(SYNCED, DONE)

    def _values(self) -> dict[str, bytes]:
        """From the store, by key; what stands under `data` wins over `dataFrom`."""
        spec, found = self.external["spec"], dict[str, bytes]()
        lenient = target_of(self.external)["deletionPolicy"] != "Retain"
        for index, each in enumerate(spec.get("dataFrom") or ()):
            extract = each.get("extract")
            if extract is None or each.get("rewrite"):
                raise Unsupported("this is a stand-in for the operator: of `dataFrom` it knows `extract` alone")
            try:
                found |= self._reads(each).values(extract["key"], *_rest(extract))
            except NoSecret as error:
                if not lenient:
                    raise ProviderError(f"error processing spec.dataFrom[{index}].extract, err: {error}") from None
                self._tell(
                    "Normal", MISSING_PROVIDER, f"secret does not exist at provider using spec.dataFrom[{index}]"
                )
        for index, each in enumerate(spec.get("data") or ()):
            remote = each["remoteRef"]
            try:
                found[each["secretKey"]] = _decoded(remote, self._reads(each).value(remote["key"], *_rest(remote)))
            except NoSecret as error:
                if not lenient:
                    raise self._wrong(index, remote, error) from None
                text = f"secret does not exist at provider using spec.dataFrom[{index}] (key={remote['key']})"
                self._tell("Normal", MISSING_PROVIDER, text)
            except ProviderError as error:
                raise self._wrong(index, remote, error) from None
        return found

    def _wrong(self, index: int, remote: Object, error: Exception) -> ProviderError:
        return ProviderError(f"error processing spec.data[{index}] (key: {remote['key']}), err: {error}")

    def _reads(self, each: Object) -> Bao:
        own = (each.get("sourceRef") or {}).get("storeRef")
        return stores.usable(self.api, own or self.external["spec"].get("secretStoreRef") or {}, self.namespace)

    def _data_of(self, kind: str, name: str) -> Mapping[str, bytes]:
        """For `templateFrom`."""
        api_kind = {"configMap": "ConfigMap", "secret": "Secret"}[kind]
        found = self.api.get("v1", api_kind, name, self.namespace)
        if found is None:
            raise Unsupported(f'error fetching templateFrom data: {api_kind.lower()}s "{name}" not found')
        data = found.get("data") or {}
        return {key: base64.b64decode(text) if kind == "secret" else text.encode() for key, text in data.items()}

    def _secret(self) -> Object | None:
        return self.api.get("v1", "Secret", name_of(self.external), self.namespace)

    def _patch_secret(self, secret: Object, body: Object) -> None:
        path = self.api.path("v1", "Secret", self.namespace, secret["metadata"]["name"])
        query = {"fieldManager": manager_of(self.name)}
        _ = self.api.request("PATCH", path, body, query, kind="application/merge-patch+json").object

    def _put(self, old: Object | None, new: Object) -> None:
        """Creates or replaces the Secret, as the field manager that is named after the ExternalSecret."""
        query = {"fieldManager": manager_of(self.name)}
        self.external.setdefault("status", {})["binding"] = {"name": new["metadata"]["name"]}
        if old is None:
            path = self.api.path("v1", "Secret", self.namespace)
            _ = self.api.request("POST", path, new, query).object
            self._tell("Normal", "Created", "secret created")
            return
        if new == old:
            return
        path = self.api.path("v1", "Secret", self.namespace, new["metadata"]["name"])
        if old.get("immutable"):
            same = {**new, "metadata": None} == {**old, "metadata": None}
            _ = self.api.request("PUT", path, {**old, "metadata": new["metadata"]}, query).object
            if not same:
                raise Immutable(f"unable to update secret {new['metadata']['name']}: secret is immutable")
            return
        _ = self.api.request("PUT", path, new, query).object
        self._tell("Normal", "Updated", "secret updated")

    def _drop_orphans(self) -> None:
        """Secrets that it made under another name."""
        mark = digest(f"{self.namespace}/{self.name}")
        for each in self.api.objects("v1", "Secret", self.namespace, f"{CREATED_BY}={mark}"):
            if each["metadata"]["name"] != name_of(self.external):
                self.api.delete(each)
                self._tell("Normal", "Deleted", "secret deleted because it was orphaned")

    def _delete(self, secret: Object | None) -> Next:
        target = target_of(self.external)
        if target["creationPolicy"] != "Owner":
            name, policy = name_of(self.external), target["creationPolicy"]
            text = f"unable to delete secret {name}: creationPolicy={policy} is not Owner"
            return self._failed(REMOVE, Unsupported(text))
        if secret is not None:
            self.api.delete(secret)
            self._tell("Normal", "Deleted", GONE)
        return self._done(DELETED, GONE)

    # What is said.

    def _done(self, reason: str, message: str) -> Next:
        set_ready(self.external, "True", reason, message, stamp())
        self.external["status"] |= {
            "refreshTime": stamp(self.start), "syncedResourceVersion": version_of(self.external["metadata"])
        }  # fmt: skip
        return self._again()

    def _failed(self, message: str, error: Exception) -> Next:
        """The condition says hardly anything; the cause is in the event."""
        self._tell("Warning", UPDATE_FAILED, str(error))
        set_ready(self.external, "False", SYNC_ERROR, message, stamp())
        return NEVER

    def _tell(self, type_: str, reason: str, message: str) -> None:
        self.api.event(self.external, type_, reason, message, component=COMPONENT)

    def _settle(self, then: Next) -> Next:
        """Writes the status onto the version that was read: whoever was faster has it looked at again."""
        path = self.api.path(API, EXTERNAL, self.namespace, self.name)
        try:
            _ = self.api.request("PUT", f"{path}/status", self.external, {"fieldManager": COMPONENT}).object
        except Refused as refused:
            if refused.status != 409:
                raise
            return then if then.failed else NOW
        return then

    def _leave(self) -> Next:
        """It is being deleted: its Secret goes by its owner reference, or here where the policy says Delete."""
        secret = self._secret()
        refs: list[Any] = (secret or {}).get("metadata", {}).get("ownerReferences") or []
        ours = any(each["uid"] == self.external["metadata"]["uid"] for each in refs)
        if secret and ours and target_of(self.external)["deletionPolicy"] == "Delete":
            self.api.delete(secret)
        finalizers = self.external["metadata"].get("finalizers") or []
        if FINALIZER in finalizers:
            self.api.patch(self.external, {"metadata": {"finalizers": [f for f in finalizers if f != FINALIZER]}})
        return NEVER


def one(api: Api, namespace: str, name: str) -> Next:
    """A pass over the ExternalSecret of that name."""
    return Pass(api, namespace, name).run()


def _rest(remote: Object) -> tuple[str, str]:
    return str(remote.get("property") or ""), str(remote.get("version") or "")


def _decoded(remote: Object, value: bytes) -> bytes:
    """By `decodingStrategy`; Auto and Base64URL are left to the operator."""
    strategy = remote.get("decodingStrategy") or "None"
    if strategy == "None":
        return value
    if strategy != "Base64":
        raise Unsupported(f"this is a stand-in for the operator: it does not know decodingStrategy {strategy}")
    return base64.b64decode(value, validate=True)


def _moment(text: object) -> float:
    return datetime.fromisoformat(str(text)).timestamp() if text else 0.0

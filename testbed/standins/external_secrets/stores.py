"""Stores: whether one can be used, and what reads from it.

Source: external-secrets v1.3.2, pkg/controllers/secretstore/common.go and client_manager.go.
"""

from __future__ import annotations

import base64
import copy

from ..api import Api, Object, stamp
from .bao import Bao, ProviderError
from .words import API, CLUSTER_STORE, INVALID, PLURALS, STORE, VALID, condition, set_ready

COMPONENTS = {STORE: "secret-store", CLUSTER_STORE: "cluster-secret-store"}
NEVER = "this is a stand-in for the operator, and it does not know"


def check(api: Api, kind: str, namespace: str, name: str) -> bool:
    """One pass over a store: asks its provider and writes what it said. Gives whether it went well.

    Raises:
        Refused, Silent: the API server did not take it.
    """
    store = api.get(API, kind, name, namespace)
    if store is None or store["metadata"].get("deletionTimestamp"):
        return True
    new, wrong = copy.deepcopy(store), ""
    try:
        client = client_of(api, store, namespace)
        wrong = "unable to validate store"
        # Without a namespace its secrets lie beside each ExternalSecret, and there is nobody to ask for yet.
        if not referent(store):
            client.validate()
    except ProviderError as error:
        message = wrong or "unable to create client"
        set_ready(new, "False", INVALID, message, stamp())
        api.event(store, "Warning", INVALID, str(error), component=COMPONENTS[kind])
        _write(api, store, new)
        return False
    new.setdefault("status", {})["capabilities"] = "ReadWrite"
    set_ready(new, "True", VALID, "store validated", stamp())
    api.event(store, "Normal", VALID, "store validated", component=COMPONENTS[kind])
    _write(api, store, new)
    return True


def _write(api: Api, old: Object, new: Object) -> None:
    if old.get("status") != new["status"]:
        api.patch_status(old, new["status"])


def referent(store: Object) -> bool:
    """Whether a ClusterSecretStore names a Secret without its namespace."""
    token = ((_vault(store).get("auth") or {}).get("tokenSecretRef")) or {}
    return bool(store["kind"] == CLUSTER_STORE and not token.get("namespace"))


def _vault(store: Object) -> Object:
    provider = (store.get("spec") or {}).get("provider") or {}
    others = sorted(set(provider) - {"vault"})
    if others:
        raise ProviderError(f'{NEVER} the provider "{others[0]}" (it knows vault)')
    return dict(provider.get("vault") or {})


def client_of(api: Api, store: Object, namespace: str) -> Bao:
    """What reads from a store on behalf of a namespace. Raises ProviderError."""
    vault = _vault(store)
    auth = vault.get("auth") or {}
    others = sorted(set(auth) - {"tokenSecretRef", "namespace"})
    if others or "tokenSecretRef" not in auth:
        raise ProviderError(f"{NEVER} this kind of login: {', '.join(others) or 'none'} (it knows tokenSecretRef)")
    home = store["metadata"].get("namespace") or namespace
    token = _secret(api, store, auth["tokenSecretRef"], home)
    ca = _ca(api, store, vault, home)
    return Bao(vault["server"], vault.get("path") or "", vault.get("version") or "v2", token.strip(), ca)


def _secret(api: Api, store: Object, ref: Object, home: str) -> str:
    where = home if store["kind"] != CLUSTER_STORE else ref.get("namespace") or home
    name, key = ref.get("name", ""), ref.get("key", "")
    if not where:
        return ""  # a referent store that is only looked at
    secret = api.get("v1", "Secret", name, where)
    if secret is None:
        said = f'secrets "{name}" not found'
        raise ProviderError(f'cannot get Kubernetes secret "{name}" from namespace "{where}": {said}')
    data = secret.get("data") or {}
    if key not in data:
        raise ProviderError(f'cannot find secret data for key: "{key}"')
    return base64.b64decode(data[key]).decode(errors="replace")


def _ca(api: Api, store: Object, vault: Object, home: str) -> str:
    if vault.get("caBundle"):
        return base64.b64decode(vault["caBundle"]).decode()
    provider = vault.get("caProvider")
    if not provider:
        return ""
    kind = str(provider["type"])
    where = home if store["kind"] != CLUSTER_STORE else provider.get("namespace") or home
    found = api.get("v1", kind, provider["name"], where) or {}
    text = (found.get("data") or {}).get(provider["key"])
    if text is None:
        raise ProviderError(f"failed to get cert from {kind.lower()}: {where}/{provider['name']} has no such key")
    return base64.b64decode(text).decode() if kind == "Secret" else str(text)


def usable(api: Api, ref: Object, namespace: str) -> Bao:
    """What reads from the store that an ExternalSecret names.

    Raises:
        ProviderError: it is not there, not ready, or not for this namespace.
        Refused, Silent: the API server does not answer.
    """
    kind, name = str(ref.get("kind") or STORE), str(ref.get("name", ""))
    store = api.get(API, kind, name, "" if kind == CLUSTER_STORE else namespace)
    if store is None:
        said = f'{PLURALS[kind]}.external-secrets.io "{name}" not found'
        raise ProviderError(f'could not get {kind} "{name}", {said}')
    if not _allowed(api, store, namespace):
        text = f'using cluster store "{name}" is not allowed from namespace "{namespace}"'
        raise ProviderError(f"{text}: denied by spec.condition")
    if condition(store).get("status") != "True":
        raise ProviderError(f'{kind} "{name}" is not ready')
    return client_of(api, store, namespace)


def _allowed(api: Api, store: Object, namespace: str) -> bool:
    """The conditions of a ClusterSecretStore: names of namespaces, or labels that they must have."""
    conditions = (store.get("spec") or {}).get("conditions") or ()
    if store["kind"] != CLUSTER_STORE or not conditions:
        return True
    home = api.get("v1", "Namespace", namespace) or {"metadata": {}}
    labels = home["metadata"].get("labels") or {}
    for each in conditions:
        if each.get("namespaceRegexes") or (each.get("namespaceSelector") or {}).get("matchExpressions"):
            raise ProviderError(f"{NEVER} namespaceRegexes and matchExpressions")
        wanted = (each.get("namespaceSelector") or {}).get("matchLabels")
        if namespace in (each.get("namespaces") or ()) or (wanted and wanted.items() <= labels.items()):
            return True
    return False

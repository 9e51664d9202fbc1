"""An ExternalSecret as it was last seen: which Secret it makes, with which keys, and whether it follows a nudge. Pure.

Source: external-secrets v2.9, shouldRefresh and ApplyTemplate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.drivers.external_secrets.vocabulary import API, CLUSTER_STORE, EXTERNAL, STORE
from ephemeral_castle.spi.kubernetes import Manifest, Ref

_ZERO = re.compile(r"[+]?(0+(\.0*)?(ns|us|µs|ms|s|m|h)?)+")


@dataclass(frozen=True)
class External:
    """One ExternalSecret.

    Attributes:
        ref: the object.
        uid: of this very one.
        secret: the Secret that it makes; None where it makes something else, or nothing.
        keys: that its Secret has, as far as it says so itself.
        more: whether there are others, whose names only the store knows.
        fixed: whether it never reads the store again, once it has.
        synced: `status.syncedResourceVersion`: what it had read the store for.
    """

    ref: Ref
    uid: str
    secret: Ref | None
    keys: tuple[str, ...]
    more: bool
    fixed: bool
    synced: str

    def __str__(self) -> str:
        return f"{self.ref.namespace}/{self.ref.name}"


def read(manifest: Manifest) -> External:
    """From its manifest."""
    meta, spec = manifest["metadata"], manifest.get("spec") or {}
    target = spec.get("target") or {}
    makes = target.get("creationPolicy") != "None" and not target.get("manifest")
    space = meta.get("namespace", "")
    keys, more = keys_of(spec)
    return External(
        ref=Ref(API, EXTERNAL, meta["name"], space),
        uid=str(meta.get("uid", "")),
        secret=Ref("v1", "Secret", target.get("name") or meta["name"], space) if makes else None,
        keys=keys,
        more=more,
        fixed=_fixed(spec),
        synced=str((manifest.get("status") or {}).get("syncedResourceVersion") or ""),
    )


def keys_of(spec: Mapping[str, Any]) -> tuple[tuple[str, ...], bool]:
    """Keys of the Secret, and whether there may be others.

    What stands under `data` are the keys only where no template makes others of them.
    """
    template = (spec.get("target") or {}).get("template") or {}
    templated = [str(key) for key in template.get("data") or ()]
    sources = template.get("templateFrom") or ()
    more = False
    for source in sources:
        found, unknown = _of_source(source)
        templated, more = [*templated, *found], more or unknown
    merged = template.get("mergePolicy") == "Merge"
    if not (template.get("data") or sources) or merged:
        templated += [str(each.get("secretKey", "")) for each in spec.get("data") or ()]
        more = more or bool(spec.get("dataFrom"))
    return tuple(dict.fromkeys(templated)), more


def _of_source(source: Mapping[str, Any]) -> tuple[list[str], bool]:
    """Keys that an entry of `templateFrom` makes; a template of keys and values makes what nobody knows ahead."""
    if str(source.get("target", "Data")).lower() != "data":
        return [], False
    items = [
        item for kind in ("configMap", "secret") for item in (source.get(kind) or {}).get("items") or ()
    ]  # fmt: skip
    named = [str(item["key"]) for item in items if item.get("templateAs", "Values") == "Values"]
    return named, len(named) < len(items) or source.get("literal") is not None


def _fixed(spec: Mapping[str, Any]) -> bool:
    policy = spec.get("refreshPolicy")
    if policy in ("CreatedOnce", "OnChange"):
        return bool(policy == "CreatedOnce")
    interval = str(spec.get("refreshInterval", "1h"))
    return interval.startswith("-") or _ZERO.fullmatch(interval) is not None


def store_of(name: str) -> Ref:
    """The store that an option names."""
    space, slash, rest = name.partition("/")
    return Ref(API, STORE, rest, space) if slash else Ref(API, CLUSTER_STORE, name)


def uses(manifest: Manifest, store: Ref) -> bool:
    """Whether an ExternalSecret reads from a store, for all of its keys or for some."""
    spec, space = manifest.get("spec") or {}, manifest["metadata"].get("namespace", "")
    entries = [*(spec.get("data") or ()), *(spec.get("dataFrom") or ())]
    refs = [spec.get("secretStoreRef"), *((each.get("sourceRef") or {}).get("storeRef") for each in entries)]
    wanted = (store.kind, store.name)
    home = store.namespace in ("", space)
    return home and any((each.get("kind") or STORE, each.get("name")) == wanted for each in refs if each)

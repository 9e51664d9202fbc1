"""The Secret that an ExternalSecret makes, from what it has now and what the store holds. Pure.

Source: external-secrets v1.3.2, pkg/controllers/externalsecret (mutationFunc, ApplyTemplate, setMetadata).
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Mapping

from ..api import Object, owner
from .template import render
from .words import CREATED_BY, DATA_HASH, EXTERNAL, MANAGED, digest, manager_of

Lookup = Callable[[str, str], Mapping[str, bytes]]
"""Gives the data of a ConfigMap or a Secret of the namespace: its kind, its name."""
KEEPS = ("Merge", "CreateOrMerge")  # creation policies that leave other keys of the Secret alone


class Owned(Exception):
    """Another ExternalSecret is the owner: tried again only when something changes."""


class Foreign(Exception):
    """Something else is the owner: as above."""


class Unsupported(Exception):
    """A part of the API that the stand-in does not know."""


def target_of(external: Object) -> Object:
    """`spec.target`, with what the CRD fills in."""
    given = (external.get("spec") or {}).get("target") or {}
    return {"creationPolicy": "Owner", "deletionPolicy": "Retain", **given}


def name_of(external: Object) -> str:
    """The name of the Secret."""
    return str(target_of(external).get("name") or external["metadata"]["name"])


def mutated(secret: Object | None, external: Object, values: Mapping[str, bytes], lookup: Lookup) -> Object:
    """The Secret as it should be.

    Args:
        secret: as it is, or None.
        external: the ExternalSecret.
        values: from the store, by key.
        lookup: for `templateFrom`.

    Raises:
        Owned, Foreign: it belongs to somebody else.
        TemplateError, Unsupported, KeyError: it cannot be rendered.
    """
    target, meta = target_of(external), external["metadata"]
    new: Object = copy.deepcopy(secret) if secret else {
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": name_of(external), "namespace": meta["namespace"]},
    }  # fmt: skip
    _own(new, external, wanted=target["creationPolicy"] == "Owner")
    labels, notes = _maps(new["metadata"], "labels"), _maps(new["metadata"], "annotations")
    if target.get("immutable"):
        new["immutable"] = True
    if secret is None or not target.get("immutable"):
        _fill(new, external, values, lookup)
    if target["creationPolicy"] == "Owner":
        labels[CREATED_BY] = digest(f"{meta['namespace']}/{meta['name']}")
    else:
        labels.pop(CREATED_BY, None)
    labels[MANAGED] = "true"
    notes[DATA_HASH] = digest(new.get("data") or {})
    return new


def _maps(meta: Object, key: str) -> dict[str, str]:
    found: dict[str, str] = dict(meta.get(key) or {})
    meta[key] = found
    return found


def _own(secret: Object, external: Object, *, wanted: bool) -> None:
    refs = list(secret["metadata"].get("ownerReferences") or ())
    now = next((each for each in refs if each.get("controller")), None)
    name = external["metadata"]["name"]
    ours = now is not None and now["kind"] == EXTERNAL and now["apiVersion"].startswith("external-secrets.io/")
    if now is not None and ours and now["name"] != name:
        raise Owned(f"secret is owned by another ExternalSecret: {now['name']}")
    if now is not None and not ours and wanted:
        where = f"{secret['metadata'].get('namespace', '')}/{secret['metadata']['name']}"
        said = f"Object {where} is already owned by another {now['kind']} controller {now['name']}"
        raise Foreign(f"could not set controller reference on secret: {said}")
    refs = [each for each in refs if each is not now or not ours]
    if wanted:
        refs.append(owner(external))
    if refs or "ownerReferences" in secret["metadata"]:
        secret["metadata"]["ownerReferences"] = refs


def managed(secret: Object, name: str, *path: str) -> list[str]:
    """Keys below a path of the object that the ExternalSecret of that name wrote, as managedFields tell."""
    found: list[str] = []
    for each in secret["metadata"].get("managedFields") or ():
        fields = each.get("fieldsV1") or {} if each.get("manager") == manager_of(name) else {}
        for part in path:
            fields = fields.get(f"f:{part}") or {}
        found += [key.removeprefix("f:") for key in fields if key != "."]
    return found


def _fill(secret: Object, external: Object, values: Mapping[str, bytes], lookup: Lookup) -> None:
    """Data, type, labels and annotations."""
    target, name = target_of(external), external["metadata"]["name"]
    template = target.get("template")
    data = dict(secret.get("data") or {}) if target["creationPolicy"] in KEEPS else {}
    for key in managed(secret, name, "data"):
        data.pop(key, None)
    meta = secret["metadata"]
    for kind in ("labels", "annotations"):
        for key in managed(secret, name, "metadata", kind):
            meta[kind].pop(key, None)
        given = external["metadata"] if template is None else template.get("metadata") or {}
        meta[kind] |= given.get(kind) or {}
    encoded = {key: base64.b64encode(value).decode() for key, value in values.items()}
    if template is None:
        secret["data"] = {**data, **encoded}
        return
    if template.get("engineVersion", "v2") != "v2":
        raise Unsupported(f"unsupported template engine version: {template['engineVersion']}")
    if template.get("type"):
        secret["type"] = template["type"]
    for each in (template.get("metadata") or {}).get("finalizers") or ():
        meta["finalizers"] = [*(f for f in meta.get("finalizers") or () if f != each), each]
    plain = not template.get("data") and not template.get("templateFrom")
    if plain or template.get("mergePolicy") == "Merge":
        data |= encoded
    texts = {key: value.decode(errors="surrogateescape") for key, value in values.items()}
    secret["data"] = data | _rendered(template, texts, lookup)
    for kind in ("labels", "annotations"):
        for key, text in ((template.get("metadata") or {}).get(kind) or {}).items():
            meta[kind][key] = render(key, text, texts)


def _rendered(template: Object, texts: Mapping[str, str], lookup: Lookup) -> dict[str, str]:
    """Keys from templates; those that stand in `data` win over those from elsewhere."""
    templates: dict[str, str] = {}
    for each in template.get("templateFrom") or ():
        if each.get("literal") is not None or str(each.get("target", "Data")).lower() != "data":
            raise Unsupported("this is a stand-in for the operator: it does not know `literal` and `target` here")
        for kind in ("configMap", "secret"):
            templates |= _items(kind, each.get(kind), lookup)
    templates |= template.get("data") or {}
    made = {key: render(key, text, texts).encode(errors="surrogateescape") for key, text in templates.items()}
    return {key: base64.b64encode(value).decode() for key, value in made.items()}


def _items(kind: str, source: Object | None, lookup: Lookup) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in (source or {}).get("items") or ():
        if item.get("templateAs", "Values") != "Values":
            raise Unsupported("this is a stand-in for the operator: it does not know `templateAs: KeysAndValues`")
        data = lookup(kind, str((source or {})["name"]))
        if item["key"] not in data:
            raise Unsupported(f"error in {kind} {(source or {})['name']}: missing key {item['key']}")
        found[item["key"]] = data[item["key"]].decode(errors="surrogateescape")
    return found

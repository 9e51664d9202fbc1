"""Which fields of which kinds name other objects. Pure.

Only fields whose meaning is known are read: a field of a kind that is not here refers to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules import pgo
from ephemeral_castle.manifests.rules.fields import Path, dig, each, mapping, mappings, notes, text
from ephemeral_castle.manifests.rules.once import Once
from ephemeral_castle.manifests.rules.pods import GROUPS, TEMPLATES, Pods
from ephemeral_castle.manifests.rules.pods import of as pods_of

BOOTSTRAPPED = (
    "flux-system",
    "flux-system",
)  # the source that Flux reads this repository from: made by who installs it


@dataclass(frozen=True)
class Reference:
    """One object named by another.

    Attributes:
        thing: that names it.
        path: of the name.
        kind: what is named.
        name: its name.
        namespace: where it is looked for; "" for a kind without, or where it is not known.
        keys: keys of it that are needed, each with its path.
        optional: whether things go on without it.
        outside: whether it has to come from outside of the repository, because all else waits for it.
    """

    thing: Object
    path: Path
    kind: str
    name: str
    namespace: str = ""
    keys: tuple[tuple[Path, str], ...] = ()
    optional: bool = False
    outside: bool = False


def of(thing: Object) -> Iterator[Reference]:
    """The references of one object."""
    if thing.kind in TEMPLATES and thing.group in GROUPS:
        yield from _pods(pods_of(thing))
    if thing.group.endswith("external-secrets.io"):
        yield from _external(thing)
    elif thing.group.endswith("cert-manager.io"):
        yield from _certificates(thing)
    elif thing.group == pgo.GROUP:
        yield from _postgres(thing)
    elif thing.group.endswith("toolkit.fluxcd.io"):
        yield from _flux(thing)
    elif thing.kind in ("Ingress", "IngressRoute", "IngressRouteTCP", "Gateway"):
        yield from _ingress(thing)
    elif thing.group == "barmancloud.cnpg.io":
        yield from _named(thing, "Secret", ("spec", "configuration"), ("name", "key"))
    elif thing.group == "longhorn.io" and thing.kind == "BackupTarget":
        yield _at(thing, "Secret", ("spec", "credentialSecret"))
    if thing.kind not in ("HelmRelease", "CustomResourceDefinition"):
        yield from _classes(thing)


def _at(thing: Object, kind: str, path: Path, **more: Any) -> Reference:
    """The reference of the text at a path, in the object's own namespace."""
    name = dig(thing.manifest, *path)
    space = more.pop("namespace", thing.namespace)
    return Reference(thing, path, kind, name if isinstance(name, str) else "", space, **more)


def _pods(found: Pods) -> Iterator[Reference]:
    thing = found.thing
    yield _at(thing, "ServiceAccount", found.at("serviceAccountName"))
    for path, _ in each(thing.manifest, *found.at("imagePullSecrets")):
        yield _at(thing, "Secret", (*path, "name"), optional=True)
    for path, volume in each(thing.manifest, *found.at("volumes")):
        yield from _volume(thing, path, volume)
        yield _at(thing, "PersistentVolumeClaim", (*path, "persistentVolumeClaim", "claimName"))
        for inner, source in each(thing.manifest, *path, "projected", "sources"):
            yield from _volume(thing, inner, source)
    for path, _ in found.containers():
        for inner, source in each(thing.manifest, *path, "envFrom"):
            for field, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
                optional = dig(source, field, "optional") is True
                yield _at(thing, kind, (*inner, field, "name"), optional=optional)
        for inner, variable in each(thing.manifest, *path, "env"):
            for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
                optional = dig(variable, "valueFrom", field, "optional") is True
                yield from _keyed(thing, kind, (*inner, "valueFrom", field), optional=optional)


def _volume(thing: Object, path: Path, source: Mapping[str, Any]) -> Iterator[Reference]:
    for field, kind in (("secret", "Secret"), ("configMap", "ConfigMap")):
        name = "secretName" if field == "secret" and "secretName" in mapping(source.get(field)) else "name"
        optional = dig(source, field, "optional") is True
        keys = tuple(
            ((*inner, "key"), text(item.get("key"))) for inner, item in each(thing.manifest, *path, field, "items")
        )
        yield _at(thing, kind, (*path, field, name), optional=optional, keys=keys)


def _keyed(thing: Object, kind: str, path: Path, **more: Any) -> Iterator[Reference]:
    """A mapping of `name`, perhaps `namespace`, and `key`."""
    found = mapping(dig(thing.manifest, *path))
    key = text(found.get("key"))
    usual = more.pop("namespace", thing.namespace)
    namespace = text(found.get("namespace")) or usual
    keys = (((*path, "key"), key),) if key else ()
    yield _at(thing, kind, (*path, "name"), keys=keys, namespace=namespace, **more)


def _named(thing: Object, kind: str, under: Path, fields: tuple[str, ...], **more: Any) -> Iterator[Reference]:
    """Every mapping below a path that has these fields."""
    for path, found in mappings(dig(thing.manifest, *under), under):
        if all(isinstance(found.get(field), str) for field in fields):
            yield from _keyed(thing, kind, path, **more)


def _external(thing: Object) -> Iterator[Reference]:
    if thing.kind in ("SecretStore", "ClusterSecretStore"):
        home = {} if thing.kind == "SecretStore" else {"namespace": ""}
        yield from _named(thing, "Secret", ("spec", "provider"), ("name", "key"), outside=True, **home)
    stores: list[Path] = [("spec", "secretStoreRef"), ("spec", "externalSecretSpec", "secretStoreRef")]
    stores += [(*path, "sourceRef", "storeRef") for path, _ in each(thing.manifest, "spec", "data")]
    stores += [(*path, "sourceRef", "storeRef") for path, _ in each(thing.manifest, "spec", "dataFrom")]
    stores += [path for path, _ in each(thing.manifest, "spec", "secretStoreRefs")]
    for path in stores:
        kind = text(dig(thing.manifest, *path, "kind")) or "SecretStore"
        yield _at(thing, kind, (*path, "name"), namespace="" if kind == "ClusterSecretStore" else thing.namespace)


def _certificates(thing: Object) -> Iterator[Reference]:
    if thing.kind == "Certificate":
        issuer: Path = ("spec", "issuerRef")
        kind = text(dig(thing.manifest, *issuer, "kind")) or "Issuer"
        if text(dig(thing.manifest, *issuer, "group")) in ("", "cert-manager.io"):
            yield _at(thing, kind, (*issuer, "name"), namespace="" if kind == "ClusterIssuer" else thing.namespace)
    if thing.kind in ("Issuer", "ClusterIssuer"):
        home = thing.namespace if thing.kind == "Issuer" else "cert-manager"
        yield _at(thing, "Secret", ("spec", "ca", "secretName"), namespace=home)
        yield from _named(thing, "Secret", ("spec", "acme", "solvers"), ("name", "key"), namespace=home)


def _postgres(thing: Object) -> Iterator[Reference]:
    for section in (pgo.BACKUPS, pgo.SOURCE):
        for path, kind, _ in pgo.projected(thing, section):
            yield _at(thing, kind, path)
    yield from _keyed(thing, "ConfigMap", ("spec", "databaseInitSQL"))
    for field in ("customTLSSecret", "customReplicationTLSSecret"):
        yield _at(thing, "Secret", ("spec", field, "name"))


def _flux(thing: Object) -> Iterator[Reference]:
    """What Flux needs itself has to be there before anything that it brings."""
    if thing.kind in ("GitRepository", "OCIRepository", "HelmRepository", "Bucket"):
        yield _at(thing, "Secret", ("spec", "secretRef", "name"), outside=True)
    for field in ("decryption", "kubeConfig"):
        yield _at(thing, "Secret", ("spec", field, "secretRef", "name"), outside=True)
    for path, found in (
        *each(thing.manifest, "spec", "postBuild", "substituteFrom"),
        *each(thing.manifest, "spec", "valuesFrom"),
    ):
        yield _at(thing, text(found.get("kind")), (*path, "name"), optional=found.get("optional") is True)
    sources: tuple[Path, ...] = (("spec", "sourceRef"), ("spec", "chart", "spec", "sourceRef"), ("spec", "chartRef"))
    for path in sources:
        found = mapping(dig(thing.manifest, *path))
        space = text(found.get("namespace")) or thing.namespace
        first = (space, text(found.get("name"))) == BOOTSTRAPPED
        yield _at(thing, text(found.get("kind")), (*path, "name"), namespace=space, outside=first)


def _ingress(thing: Object) -> Iterator[Reference]:
    shimmed = any(key.startswith("cert-manager.io/") for key in notes(thing))
    for path, _ in each(thing.manifest, "spec", "tls"):
        yield _at(thing, "Secret", (*path, "secretName"), optional=shimmed)
    if thing.group.startswith("traefik"):
        yield _at(thing, "Secret", ("spec", "tls", "secretName"))
    for key, kind in (("cert-manager.io/cluster-issuer", "ClusterIssuer"), ("cert-manager.io/issuer", "Issuer")):
        yield _at(thing, kind, ("metadata", "annotations", key), namespace=thing.namespace if kind == "Issuer" else "")


def _classes(thing: Object) -> Iterator[Reference]:
    """Storage classes, which many kinds name by one of two fields."""
    field = "storageClass" if thing.group == "postgresql.cnpg.io" else "storageClassName"
    for path, found in mappings(thing.manifest.get("spec"), ("spec",)):
        if isinstance(found.get(field), str):
            yield _at(thing, "StorageClass", (*path, field), namespace="")


def _all(repository: Repository) -> list[Reference]:
    return [found for thing in repository.objects for found in of(thing) if found.name]


references = Once(_all)  # every reference of every object

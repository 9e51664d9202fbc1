"""What operators write for their own objects: names of Secrets, ConfigMaps, accounts, and keys where fixed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ephemeral_castle.manifests.repository import Object
from ephemeral_castle.manifests.rules.fields import Path, dig, each, listed, mapping, notes, text

TLS = ("tls.crt", "tls.key", "ca.crt")


@dataclass(frozen=True)
class Made:
    """One object that an operator makes. `keys` empty: not known. `namespace` None: in any."""

    kind: str
    namespace: str | None
    name: str
    keys: tuple[str, ...] = ()


def made(thing: Object) -> Iterator[Made]:
    """What the operator of an object makes for it."""
    maker = MAKERS.get(thing.kind)
    for one in maker(thing) if maker else ():
        if one.name:
            yield one


def _postgres(thing: Object) -> Iterator[Made]:
    users = [
        (text(user.get("name")), bool(listed(user.get("databases"))))
        for _, user in each(thing.manifest, "spec", "users")
    ]
    pooled = dig(thing.manifest, "spec", "proxy", "pgBouncer") is not None
    for user, database in users or [(thing.name, True)]:
        keys: tuple[str, ...] = ("host", "port", "user", "password", "verifier")
        keys += ("dbname", "uri", "jdbc-uri") if database else ()
        keys += ("pgbouncer-host", "pgbouncer-port") if pooled else ()
        keys += ("pgbouncer-uri", "pgbouncer-jdbc-uri") if pooled and database else ()
        yield Made("Secret", thing.namespace, f"{thing.name}-pguser-{user}", keys)
    for end in ("cluster-cert", "replication-cert"):
        yield Made("Secret", thing.namespace, f"{thing.name}-{end}", TLS)
    for end in ("pgbackrest", "pgbouncer"):
        yield Made("Secret", thing.namespace, f"{thing.name}-{end}")
    yield Made("Secret", thing.namespace, "pgo-root-cacert", ("root.crt", "root.key"))
    for end in ("instance", "pgbackrest", "repohost"):
        yield Made("ServiceAccount", thing.namespace, f"{thing.name}-{end}")


def _cloud_native(thing: Object) -> Iterator[Made]:
    login = ("username", "user", "password", "dbname", "host", "port", "pgpass", "uri", "jdbc-uri", "fqdn-uri")
    for end, keys in (("app", (*login, "fqdn-jdbc-uri")), ("superuser", login), ("server", TLS)):
        yield Made("Secret", thing.namespace, f"{thing.name}-{end}", keys)
    for end in ("ca", "replication"):
        yield Made("Secret", thing.namespace, f"{thing.name}-{end}")
    yield Made("ServiceAccount", thing.namespace, thing.name)


def _certificate(thing: Object) -> Iterator[Made]:
    more = "keystores" in mapping(thing.manifest.get("spec")) or "additionalOutputFormats" in mapping(
        thing.manifest.get("spec")
    )
    yield Made("Secret", thing.namespace, text(dig(thing.manifest, "spec", "secretName")), () if more else TLS)


def _issuer(thing: Object) -> Iterator[Made]:
    space = None if thing.kind == "ClusterIssuer" else thing.namespace
    yield Made("Secret", space, text(dig(thing.manifest, "spec", "acme", "privateKeySecretRef", "name")), ("tls.key",))


def _shimmed(thing: Object) -> Iterator[Made]:
    if any(key.startswith("cert-manager.io/") for key in notes(thing)):
        for _, found in each(thing.manifest, "spec", "tls"):
            yield Made("Secret", thing.namespace, text(found.get("secretName")), TLS)


def _sealed(thing: Object) -> Iterator[Made]:
    keys = tuple(mapping(dig(thing.manifest, "spec", "encryptedData")))
    name = text(dig(thing.manifest, "spec", "template", "metadata", "name")) or thing.name
    templated = dig(thing.manifest, "spec", "template", "data") is not None
    yield Made("Secret", thing.namespace, name, () if templated else keys)


def _everywhere(thing: Object) -> Iterator[Made]:
    inner = mapping(dig(thing.manifest, "spec", "externalSecretSpec"))
    name = text(dig(inner, "target", "name")) or text(dig(thing.manifest, "spec", "externalSecretName")) or thing.name
    yield Made("Secret", None, name)


def _bundle(thing: Object) -> Iterator[Made]:
    yield Made("ConfigMap", None, thing.name)
    yield Made("Secret", None, thing.name)


def _claimed(thing: Object) -> Iterator[Made]:
    yield Made("Secret", thing.namespace, thing.name)
    yield Made("ConfigMap", thing.namespace, thing.name)


def _own(thing: Object) -> Iterator[Made]:
    yield Made("Secret", thing.namespace, thing.name)


def _named(*paths: Path) -> Callable[[Object], Iterator[Made]]:
    def maker(thing: Object) -> Iterator[Made]:
        for path in paths:
            yield Made("Secret", thing.namespace, text(dig(thing.manifest, *path)))

    return maker


def _suffixed(*ends: str) -> Callable[[Object], Iterator[Made]]:
    def maker(thing: Object) -> Iterator[Made]:
        for end in ends:
            yield Made("Secret", thing.namespace, f"{thing.name}-{end}")

    return maker


def _infisical(thing: Object) -> Iterator[Made]:
    for path in (("spec", "managedSecretReference"), ("spec", "managedKubeSecretReferences", 0)):
        found = mapping(dig(thing.manifest, *path))
        yield Made("Secret", text(found.get("secretNamespace")) or None, text(found.get("secretName")))


def _flux(thing: Object) -> Iterator[Made]:
    kind = text(dig(thing.manifest, "spec", "sync", "kind"))
    yield Made(kind, thing.namespace, text(dig(thing.manifest, "spec", "sync", "name")) or thing.namespace)


def _artifacts(thing: Object) -> Iterator[Made]:
    for _, found in each(thing.manifest, "spec", "artifacts"):
        yield Made("ExternalArtifact", thing.namespace, text(found.get("name")))


def _sops(thing: Object) -> Iterator[Made]:
    for _, found in each(thing.manifest, "spec", "secretTemplates"):
        yield Made("Secret", thing.namespace, text(found.get("name")))


MAKERS: Mapping[str, Callable[[Object], Iterator[Made]]] = {
    "PostgresCluster": _postgres,
    "Cluster": _cloud_native,
    "Certificate": _certificate,
    "Issuer": _issuer,
    "ClusterIssuer": _issuer,
    "Ingress": _shimmed,
    "Gateway": _shimmed,
    "SealedSecret": _sealed,
    "ClusterExternalSecret": _everywhere,
    "Bundle": _bundle,
    "ObjectBucketClaim": _claimed,
    "OnePasswordItem": _own,
    "KafkaUser": _own,
    "VaultStaticSecret": _named(("spec", "destination", "name")),
    "VaultDynamicSecret": _named(("spec", "destination", "name")),
    "VaultPKISecret": _named(("spec", "destination", "name")),
    "BitwardenSecret": _named(("spec", "secretName")),
    "DopplerSecret": _named(("spec", "managedSecret", "name")),
    "InfisicalSecret": _infisical,
    "SopsSecret": _sops,
    "FluxInstance": _flux,
    "ArtifactGenerator": _artifacts,
    "RabbitmqCluster": _suffixed("default-user"),
    "Elasticsearch": _suffixed("es-elastic-user", "es-http-certs-public"),
}

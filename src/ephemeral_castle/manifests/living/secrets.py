"""Secrets by where they come from. Of their values nothing is kept, but the public keys of a Git host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ephemeral_castle.manifests.living.finding import (
    SYSTEM,
    Fate,
    Finding,
    Objects,
    from_git,
    labels,
    name,
    named,
    notes,
    owners,
    some,
)
from ephemeral_castle.manifests.readiness import Manifest, condition

SECTION = "secrets"
GENERATED = ("kubernetes.io/service-account-token", "helm.sh/release.v1", "bootstrap.kubernetes.io/token")
PGO = "postgres-operator.crunchydata.com/cluster"
ESO = "reconcile.external-secrets.io/managed"
CERTIFICATE = "cert-manager.io/certificate-name"


@dataclass(frozen=True)
class First:
    """A Secret that must be there before Flux or a store can do anything: to be given to castle once.

    Attributes:
        secret: NAMESPACE/NAME. keys: of its data. why: who reads it.
    """

    secret: str
    keys: tuple[str, ...]
    why: str


def first(objects: Objects) -> list[First]:
    """Secrets that open the repository, what is encrypted in it, and the stores."""
    wanted: dict[str, str] = {}
    for each in objects.get("GitRepository", ()):
        own = (each["spec"].get("secretRef") or {}).get("name")
        if own:
            wanted.setdefault(f"{each['metadata']['namespace']}/{own}", f"opens {named(each)}")
    for each in objects.get("Kustomization", ()):
        own = ((each["spec"].get("decryption") or {}).get("secretRef") or {}).get("name")
        if own:
            wanted.setdefault(f"{each['metadata']['namespace']}/{own}", f"decrypts what {named(each)} applies")
    for kind in ("ClusterSecretStore", "SecretStore"):
        for each in objects.get(kind, ()):
            for secret in _referred(each["spec"].get("provider"), each["metadata"].get("namespace", "")):
                wanted.setdefault(secret, f"opens {named(each)}")
    known = {name(each): each for each in objects.get("Secret", ())}
    return [First(each, tuple(sorted(known.get(each, {}).get("data") or ())), why) for each, why in wanted.items()]


def findings(objects: Objects) -> Iterator[Finding]:
    """Stores, what they make, and Secrets that come from nowhere."""
    for kind in ("ClusterSecretStore", "SecretStore"):
        yield from (_store(each) for each in objects.get(kind, ()))
    externals = objects.get("ExternalSecret", ())
    if externals:
        fact = f"{len(externals)} from stores: {some([name(each) for each in externals])}"
        yield Finding(SECTION, "ExternalSecrets", fact, Fate.RETURNS, "read anew from their stores in each life")
    needed = {each.secret: each for each in first(objects)}
    for each in needed.values():
        keys = f"keys {', '.join(each.keys)}" if each.keys else "not there"
        text = "castle must hold it: `castle secret put`, under the names in the definition"
        yield Finding(SECTION, f"Secret {each.secret}", f"{each.why}; {keys}", Fate.GIVEN, text)
    yield from _others([each for each in objects.get("Secret", ()) if name(each) not in needed])


def _others(found: Sequence[Manifest]) -> Iterator[Finding]:
    certificates = [name(each) for each in found if CERTIFICATE in notes(each) and not from_git(each)]
    if certificates:
        text = "issued anew, which counts towards the limits of the CA, unless the Secret is there before"
        yield Finding(SECTION, "Secrets of certificates", some(certificates), Fate.RENEWED, text)
    users = [name(each) for each in found if PGO in labels(each) and "pguser" in name(each)]
    if users:
        text = "made anew by the operator with other passwords, unless they are there before the database"
        yield Finding(SECTION, "Secrets of database users", some(users), Fate.RENEWED, text)
    for each in found:
        if _from_nowhere(each):
            keys = ", ".join(sorted(each.get("data") or ())) or "no keys"
            text = "gone with the cluster: put it into Git encrypted, into a store, or give it to castle"
            yield Finding(SECTION, named(each), f"in no repository and no store; {keys}", Fate.LOST, text)


def _from_nowhere(secret: Manifest) -> bool:
    found = labels(secret)
    made = owners(secret) or from_git(secret) or secret.get("type") in GENERATED
    made = made or found.get("app.kubernetes.io/managed-by") == "Helm" or CERTIFICATE in notes(secret)
    known = ESO in found or PGO in found or "castle.id" in found
    return not made and not known and secret["metadata"].get("namespace") not in SYSTEM


def _store(store: Manifest) -> Finding:
    providers = ", ".join(store["spec"].get("provider") or {}) or "no provider"
    said = condition(store, "Ready")
    if said.get("status") == "True":
        return Finding(SECTION, named(store), providers, Fate.RETURNS, "it lies outside and stays")
    why = said.get("message") or "it does not say that it is ready"
    return Finding(SECTION, named(store), f"{providers}; {why}", Fate.LOOK, "mend it first: no secret would arrive")


def _referred(value: object, space: str) -> Iterator[str]:
    """Secrets named anywhere in a provider: `...SecretRef: {name, namespace}`."""
    if isinstance(value, dict):
        for key, below in value.items():
            if str(key).lower().endswith("secretref") and isinstance(below, dict) and below.get("name"):
                home = below.get("namespace") or space
                if home:
                    yield f"{home}/{below['name']}"
            else:
                yield from _referred(below, space)
    elif isinstance(value, list):
        for each in value:
            yield from _referred(each, space)

"""Flux as it stands in a cluster: what it applies from where, how deep, and what of it is frozen."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.manifests.living.finding import Fate, Finding, Objects, counted, labels, name, named
from ephemeral_castle.manifests.readiness import Manifest, condition

SECTION = "walls"
PARENT = "kustomize.toolkit.fluxcd.io/name", "kustomize.toolkit.fluxcd.io/namespace"
KNOWN_HOSTS = "known_hosts"


@dataclass(frozen=True)
class Repository:
    """Where Flux reads from.

    Attributes:
        url, ref: of the GitRepository; `ref` is a branch, tag or commit.
        secret: NAMESPACE/NAME of the Secret with its key or token, or "".
        host_keys: of an SSH host, `TYPE BASE64` each, as that Secret names them.
    """

    url: str
    ref: str
    secret: str = ""
    host_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Root:
    """What castle's driver `flux` is told: namespace, name and path of the Kustomization above all others."""

    namespace: str
    name: str
    path: str
    repository: Repository


def root(objects: Objects) -> Root | None:
    """The Kustomization that applies the others, with its GitRepository; None where there is none.

    One that nobody applied, or that applies itself, as after `flux bootstrap`; of several, the one from which most
    come, and then the one that is called as its source.
    """
    sources = {name(each): each for each in objects.get("GitRepository", ())}
    units = {name(each): each for each in objects.get("Kustomization", ())}
    found = []
    for unit in units.values():
        source = sources.get(_source(unit))
        if source is not None and _parent(unit) in ("", name(unit), *(set(_all_parents(units)) - set(units))):
            found.append((unit, source))
    if not found:
        return None
    unit, source = max(found, key=lambda pair: (_below(name(pair[0]), units), name(pair[0]) == name(pair[1])))
    meta, path = unit["metadata"], str(unit["spec"].get("path") or "./")
    return Root(meta["namespace"], meta["name"], path.removeprefix("./").strip("/"), _repository(source, objects))


def findings(objects: Objects) -> Iterator[Finding]:
    """Sources, units and releases, those first that would stop a return."""
    units = {name(each): each for each in objects.get("Kustomization", ())}
    yield from (_source_found(each) for each in objects.get("GitRepository", ()))
    if units:
        deep = max(depth(each, units) for each in units)
        fact = f"{counted(len(units), 'unit')}, {deep} deep"
        yield Finding(SECTION, "Kustomizations", fact, Fate.RETURNS, "Flux applies them again, from the repository")
    for each in units.values():
        yield from _troubles(each, units)
    releases = objects.get("HelmRelease", ())
    if releases:
        fact = counted(len(releases), "release")
        yield Finding(SECTION, "HelmReleases", fact, Fate.RETURNS, "Flux installs them again, from their charts")
    for each in releases:
        yield from _suspended(each)
        if _unready(each):
            yield Finding(SECTION, named(each), _unready(each), Fate.LOOK, "mend it first: a return would stop there")


def depth(unit: str, units: Mapping[str, Manifest], seen: Sequence[str] = ()) -> int:
    """How many units stand above each other up to this one; a circle is counted once."""
    if unit in seen or unit not in units:
        return 0
    below = [depth(each, units, (*seen, unit)) for each in needs(units[unit])]
    return 1 + max(below, default=0)


def needs(unit: Manifest) -> list[str]:
    """What it waits for, as NAMESPACE/NAME."""
    space = unit["metadata"]["namespace"]
    return [f"{each.get('namespace') or space}/{each['name']}" for each in unit["spec"].get("dependsOn") or ()]


def _troubles(unit: Manifest, units: Mapping[str, Manifest]) -> Iterator[Finding]:
    yield from _suspended(unit)
    missing = [each for each in needs(unit) if each not in units]
    if missing:
        fact = f"waits for {', '.join(missing)}, which is not there"
        yield Finding(SECTION, named(unit), fact, Fate.LOOK, "it will never be applied: correct `dependsOn`")
    elif _circle(name(unit), units):
        fact = f"waits for itself, by {' and '.join(needs(unit))}"
        yield Finding(SECTION, named(unit), fact, Fate.LOOK, "none of the circle will ever be applied: break it")
    elif _unready(unit) and not unit["spec"].get("suspend"):
        frozen = condition(unit, "Ready").get("reason") == "DependencyNotReady"
        text = "frozen until what it waits for is ready" if frozen else "mend it first: a return would stop there"
        yield Finding(SECTION, named(unit), _unready(unit), Fate.LOOK, text)


def _suspended(unit: Manifest) -> Iterator[Finding]:
    if unit["spec"].get("suspend"):
        text = "castle leaves what a person suspended; in a new cluster Flux would apply it"
        yield Finding(SECTION, named(unit), "suspended", Fate.LOOK, text)


def _circle(unit: str, units: Mapping[str, Manifest]) -> bool:
    waiting, seen = needs(units[unit]), set()
    while waiting:
        each = waiting.pop()
        if each == unit:
            return True
        if each in units and each not in seen:
            seen.add(each)
            waiting += needs(units[each])
    return False


def _unready(unit: Manifest) -> str:
    said = condition(unit, "Ready")
    if said.get("status") == "True":
        return ""
    return f"not ready: {said.get('reason', 'nothing is known')}: {said.get('message', '')}".rstrip(": ")


def _source_found(source: Manifest) -> Finding:
    spec = source["spec"]
    fact = f"{spec.get('url')} at {_ref(spec)}"
    if spec.get("suspend"):
        return Finding(SECTION, named(source), f"{fact}, suspended", Fate.LOOK, "new commits do not arrive")
    why = _unready(source)
    if why:
        return Finding(SECTION, named(source), f"{fact}; {why}", Fate.LOOK, "mend it first: nothing would be applied")
    return Finding(SECTION, named(source), fact, Fate.RETURNS, "castle keeps a copy of it in the treasury")


def _repository(source: Manifest, objects: Objects) -> Repository:
    spec, space = source["spec"], source["metadata"]["namespace"]
    own = (spec.get("secretRef") or {}).get("name")
    secret = f"{space}/{own}" if own else ""
    known = next((each for each in objects.get("Secret", ()) if secret and name(each) == secret), {})
    return Repository(str(spec["url"]), _ref(spec), secret, tuple(_host_keys(known)))


def _host_keys(secret: Manifest) -> Iterator[str]:
    """Public keys of the Git host; nothing else of the Secret is read."""
    try:
        text = base64.b64decode((secret.get("data") or {}).get(KNOWN_HOSTS) or "").decode()
    except (binascii.Error, UnicodeDecodeError):
        return
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 3 and not line.startswith(("#", "@")):
            yield f"{words[1]} {words[2]}"


def _ref(spec: Mapping[str, Any]) -> str:
    ref = spec.get("ref") or {}
    return str(ref.get("commit") or ref.get("tag") or ref.get("branch") or ref.get("name") or "master")


def _source(unit: Manifest) -> str:
    ref, space = unit["spec"].get("sourceRef") or {}, unit["metadata"]["namespace"]
    return f"{ref.get('namespace') or space}/{ref.get('name')}" if ref.get("kind") == "GitRepository" else ""


def _parent(unit: Manifest) -> str:
    own, space = (labels(unit).get(each, "") for each in PARENT)
    return f"{space}/{own}" if own else ""


def _all_parents(units: Mapping[str, Manifest]) -> list[str]:
    return [_parent(each) for each in units.values()]


def _below(unit: str, units: Mapping[str, Manifest]) -> int:
    return sum(_parent(each) == unit for each in units.values())

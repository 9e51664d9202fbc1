"""What Secrets and ConfigMaps of the cluster will hold, as far as the repository shows it. Pure.

A Secret comes from its own manifest, or from an object whose operator writes it: an ExternalSecret lists its keys, the
operators of databases and certificates write fixed ones.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules import operated
from ephemeral_castle.manifests.rules.fields import Path, dig, each, mapping, text
from ephemeral_castle.manifests.rules.once import Once
from ephemeral_castle.manifests.substitution import Undecided


@dataclass(frozen=True)
class Content:
    """What it holds. `values` None: nobody here can know its keys. A value None: the key is there, its text unknown."""

    maker: Object
    values: Mapping[str, str | None] | None
    path: Path = ()  # where the maker lists the keys


def content(repository: Repository, kind: str, namespace: str, name: str) -> Content | None:
    """What a Secret or ConfigMap of that name will hold; None: nothing in the repository makes it.

    Several that make it together (an ExternalSecret that merges into a Secret) are taken as unknown.
    """
    found = list(contents(repository, kind, namespace, name))
    places = {each.maker.mark for each in found}
    if len(places) > 1:
        return Content(found[0].maker, None)
    return found[0] if found else None


def contents(repository: Repository, kind: str, namespace: str, name: str) -> Iterator[Content]:
    """The same, one for each object that makes it."""
    for space, made in _makers(repository).get((kind, name), ()):
        if same(space or "", namespace):
            yield made


def same(one: str, other: str) -> bool:
    """Whether two namespaces are one; a missing one is not known, and taken as it."""
    return not one or not other or one == other


def target(external: Object) -> str:
    """The Secret that an ExternalSecret writes."""
    return text(dig(external.manifest, "spec", "target", "name")) or external.name


def known(value: object) -> bool:
    """Whether a value can be seen: sops does not hide it, nor a variable."""
    return not isinstance(value, Undecided)


def _own(made: Object) -> Content:
    values: dict[str, str | None] = {}
    for key, value in mapping(made.manifest.get("data")).items():
        values[key] = _plain(made, value) if known(value) else None
    for key, value in mapping(made.manifest.get("stringData")).items():
        values[key] = text(value) if known(value) else None
    for key in mapping(made.manifest.get("binaryData")):
        values[key] = None
    return Content(made, values, ("stringData",) if "stringData" in made.manifest else ("data",))


def _plain(made: Object, value: object) -> str | None:
    if made.kind != "Secret":
        return text(value)
    try:
        return base64.b64decode(text(value), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _external(external: Object) -> Content:
    template = mapping(dig(external.manifest, "spec", "target", "template"))
    if template.get("templateFrom") or dig(external.manifest, "spec", "dataFrom"):
        return Content(external, None)
    written = mapping(template.get("data"))
    fetched = {text(found.get("secretKey")): None for _, found in each(external.manifest, "spec", "data")}
    shaped = {key: text(value) if known(value) else None for key, value in written.items()}
    if not written or template.get("mergePolicy") == "Merge":
        return Content(external, {**fetched, **shaped}, ("spec", "data"))
    return Content(external, shaped, ("spec", "target", "template", "data"))


def _all(repository: Repository) -> Mapping[tuple[str, str], list[tuple[str | None, Content]]]:
    """Everything that is made, by kind and name, each with its namespace; None: in any."""
    found: dict[tuple[str, str], list[tuple[str | None, Content]]] = {}
    for kind in ("Secret", "ConfigMap"):
        for one in repository.of(kind, ""):
            found.setdefault((kind, one.name), []).append((one.namespace, _own(one)))
    for one in repository.of("ExternalSecret", "external-secrets.io"):
        found.setdefault(("Secret", target(one)), []).append((one.namespace, _external(one)))
    for operator in operated.MAKERS:
        for one in repository.of(operator):
            for made in operated.made(one):
                known_keys = Content(one, dict.fromkeys(made.keys) if made.keys else None)
                found.setdefault((made.kind, made.name), []).append((made.namespace, known_keys))
    return found


_makers = Once(_all)

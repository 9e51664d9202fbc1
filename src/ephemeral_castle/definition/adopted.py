"""What `castle adopt` writes: the definition of a castle whose cluster is there already."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ephemeral_castle.definition.names import nearest_label
from ephemeral_castle.definition.nodes import resolve
from ephemeral_castle.definition.template import Answers, checked_name, treasury_text
from ephemeral_castle.manifests.living.flux import Repository, Root
from ephemeral_castle.manifests.living.survey import Survey
from ephemeral_castle.model.giturl import Address, BadAddress, address_of

CLUSTER, GITOPS, SECRETS = "cluster", "gitops", "secrets"
KEYS = ("identity", "password", "bearerToken")  # of a GitRepository's Secret, for which the definition has words
_PLAIN = re.compile(r"[A-Za-z0-9_/.][A-Za-z0-9_/.@:+-]*")


@dataclass(frozen=True)
class Where:
    """How the cluster is reached. `files`: of kubeconfig, as a person named them; "" as kubectl finds them."""

    context: str
    uid: str
    files: str = ""


@dataclass(frozen=True)
class Adopted:
    """The text of a definition, and what must be known besides.

    Attributes:
        text: of castle.yaml.
        given: name of a secret of castle's -> Secret of the cluster (NAMESPACE/NAME) and key that hold it now.
        notes: what the definition does not say, and why.
    """

    text: str
    given: dict[str, tuple[str, str]]
    notes: tuple[str, ...]


def adopted(answers: Answers, site: str, where: Where, found: Survey) -> Adopted:
    """The definition of what was found.

    Args:
        answers: name and treasury, as for `castle init`; the rest is not used.
        site: name of the site.
        where: how the cluster is reached.
        found: what it told.

    Raises:
        UsageError: an answer cannot be used; the hint names the fix.
    """
    checked_name(answers)
    root = found.root
    notes: list[str] = []
    address = _address(root, notes)
    given = _given(found) if root is not None and address is not None else {}
    what, how = _layers(found, where, root if address is not None else None, given)
    lines = [
        f"# Castle `{answers.name}`, as `castle adopt` found it in context `{_one_line(where.context)}`.",
        "# `castle plan drill` shows what a rehearsal does; docs/guides/adopt.md, what comes after it.",
        f"castle: {_scalar(answers.name)}",
        f"treasury: {treasury_text(answers)}",
        *(_repository(root.repository, address) if root is not None and address is not None else ()),
        "layers:",
        *what,
        "sites:",
        f"  {_scalar(site)}:",
        "    layers:",
        *how,
    ]
    return Adopted("\n".join(lines) + "\n", given, tuple(notes))


def _layers(
    found: Survey, where: Where, root: Root | None, given: dict[str, tuple[str, str]]
) -> tuple[list[str], list[str]]:
    """What stands, and how it is made."""
    file = f", file: {_scalar(where.files)}" if where.files else ""
    what = [f"  {CLUSTER}: {{role: foundations}}"]
    how = [f"      {CLUSTER}: {{driver: kubeconfig, context: {_scalar(where.context)}, uid: {where.uid}{file}}}"]
    if root is not None:
        what.append(f"  {GITOPS}: {{role: walls, needs: [{CLUSTER}]}}")
        how += [f"      {GITOPS}:", *(f"        {line}" for line in _flux(root, given))]
    if found.store:
        needs = f"{CLUSTER}, {GITOPS}" if root is not None else CLUSTER
        what.append(f"  {SECRETS}: {{role: walls, needs: [{needs}]}}")
        how.append(f"      {SECRETS}: {{driver: external-secrets, store: {_scalar(found.store)}}}")
    taken = {CLUSTER, GITOPS, SECRETS}
    for each in found.databases:
        layer = _free(each.name, each.namespace, taken)
        what.append(f"  {_scalar(layer)}: {{role: treasures, needs: [{CLUSTER}]}}")
        options = f"namespace: {_scalar(each.namespace)}, cluster: {_scalar(each.name)}"
        how.append(f"      {_scalar(layer)}: {{driver: pgbackrest, {options}}}")
    return what, how


def _free(name: str, namespace: str, taken: set[str]) -> str:
    """A layer's id that no other has."""
    wishes = [nearest_label(name), nearest_label(f"{namespace}-{name}")]
    wishes += [nearest_label(f"{number}-{namespace}-{name}") for number in range(2, 100)]
    layer = next(each for each in wishes if each and each not in taken)
    taken.add(layer)
    return layer


def _flux(root: Root, given: dict[str, tuple[str, str]]) -> Iterator[str]:
    yield "driver: flux"
    yield f"path: {_scalar(root.path)}"
    yield f"namespace: {_scalar(root.namespace)}"
    yield f"name: {_scalar(root.name)}"
    others: dict[str, dict[str, str]] = {}
    for name, (secret, key) in given.items():
        if secret != root.repository.secret:
            others.setdefault(secret, {})[key] = name
    if others:
        yield "secrets:  # there before Flux; `castle secret put NAME` stores each"
    for secret, keys in others.items():
        inside = ", ".join(f"{_scalar(key)}: {_scalar(name)}" for key, name in keys.items())
        yield f"  {_scalar(secret)}: {{{inside}}}"


def _given(found: Survey) -> dict[str, tuple[str, str]]:
    """Secrets that castle has to be given, by the name it will know them under."""
    given: dict[str, tuple[str, str]] = {}
    repository = found.root.repository.secret if found.root is not None else ""
    for each in found.first:
        for key in each.keys:
            if each.secret != repository:
                given[f"given/{each.secret}/{key}"] = (each.secret, key)
            elif key in KEYS:
                given["git/key" if key == "identity" else "git/token"] = (each.secret, key)
    return given


def _address(root: Root | None, notes: list[str]) -> Address | None:
    if root is None:
        notes.append("no GitRepository with a root Kustomization was found: the layer of GitOps is yours to add")
        return None
    url, known = root.repository.url, root.repository
    try:
        address = address_of(url)
    except BadAddress as error:
        notes.append(f"{url}: {error.message}; the layer of GitOps is yours to add, with an address that castle reads")
        return None
    if address.kind == "ssh" and not known.host_keys:
        notes.append(
            f"{url}: the host's public key is not known (`ssh-keyscan HOST` prints it; compare it with what the owner "
            "publishes); the layer of GitOps is yours to add"
        )
        return None
    return address


def _repository(known: Repository, address: Address) -> Iterator[str]:
    yield "repository:"
    yield f"  url: {_scalar(known.url)}"
    yield f"  ref: {_scalar(known.ref)}"
    if address.kind == "ssh":
        yield "  key: secret:git/key"
        yield "  host_key: |"
        yield from (f"    {line}" for line in known.host_keys)
    elif known.secret:
        yield "  token: secret:git/token"


def _scalar(text: str) -> str:
    """As YAML reads it back: quoted where it could mean something else."""
    plain = _PLAIN.fullmatch(text) and not text.endswith(":") and isinstance(resolve(text), str)
    return text if plain else json.dumps(text, ensure_ascii=False)


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())

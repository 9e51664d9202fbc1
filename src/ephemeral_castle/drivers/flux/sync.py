"""The two objects that tell Flux what to do: GitRepository and root Kustomization. Pure."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.drivers.flux.options import FluxOptions
from ephemeral_castle.drivers.flux.vocabulary import GIT, KUSTOMIZATION, KUSTOMIZE, SOURCE
from ephemeral_castle.model.giturl import is_full_id
from ephemeral_castle.spi.kubernetes import Manifest, Ref

HEADS, TAGS = "refs/heads/", "refs/tags/"
LENT = "castle"  # a branch for a commit that was asked for by its id


@dataclass(frozen=True)
class Wanted:
    """What Flux is to apply.

    Attributes:
        url: of the repository, as the cluster reaches it.
        sha: the commit.
        name: whole name of the branch or tag, as `refs/heads/main`; "" where there is none, or it is not known.
        secret: name of the Secret with key or token, "" for none.
        pinned: whether Flux stays at the commit, or follows the branch from there.
        lent: whether it is castle's own copy, which asks for no key.
    """

    url: str
    sha: str
    name: str = ""
    secret: str = ""
    pinned: bool = True
    lent: bool = False


def ref_of(wanted: Wanted) -> Mapping[str, str]:
    """`spec.ref`. A branch stands beside the commit: the revision is told with its name, and stays when it is unpinned.

    A tag stands alone, since a commit beside it would take its name out of the revision.
    """
    if wanted.name.startswith(TAGS):
        return {"tag": wanted.name.removeprefix(TAGS)}
    if not wanted.name.startswith(HEADS):
        return {"commit": wanted.sha}
    branch = {"branch": wanted.name.removeprefix(HEADS)}
    return {**branch, "commit": wanted.sha} if wanted.pinned else branch


def lent_name(ref: str) -> str:
    """The whole name of the branch under which castle lends a commit, whatever was asked for."""
    return f"{HEADS}{LENT if is_full_id(ref) else ref.removeprefix(HEADS).removeprefix(TAGS)}"


def revision_of(wanted: Wanted) -> str:
    """As Flux writes it."""
    name = wanted.name.removeprefix(HEADS).removeprefix(TAGS)
    return f"{name}@sha1:{wanted.sha}" if name else f"sha1:{wanted.sha}"


def repository(options: FluxOptions, wanted: Wanted, base: Manifest | None) -> Manifest:
    """The GitRepository.

    Args:
        options: of the layer.
        wanted: of this run.
        base: as the repository itself defines it, beside the controllers; Flux will apply that, too.
    """
    result = _begun(base, SOURCE, GIT, options)
    spec = result["spec"]
    spec |= {"url": wanted.url, "ref": dict(ref_of(wanted)), "suspend": False}
    spec.setdefault("interval", duration(options.interval))
    if wanted.secret:
        spec["secretRef"] = {"name": wanted.secret}
    elif wanted.lent:
        spec.pop("secretRef", None)
    return result


def root(options: FluxOptions, base: Manifest | None) -> Manifest:
    """The root Kustomization.

    It waits for nothing: a check of the units by Flux itself would hold a worker until the last of them is ready. And
    it never prunes its own namespace.
    """
    result = _begun(base, KUSTOMIZE, KUSTOMIZATION, options)
    spec = result["spec"]
    spec["sourceRef"] = {"kind": GIT, "name": options.name}
    spec["suspend"] = False
    spec.setdefault("path", f"./{options.path}")
    spec.setdefault("prune", options.prune and not options.carries_itself)
    for key, value in (("interval", "10m0s"), ("retryInterval", "15s"), ("timeout", "3m0s")):
        spec.setdefault(key, value)
    return result


def _begun(base: Manifest | None, api: str, kind: str, options: FluxOptions) -> Manifest:
    meta: dict[str, Any] = {"name": options.name, "namespace": options.namespace}
    if base is None:
        return {"apiVersion": api, "kind": kind, "metadata": meta, "spec": {}}
    result = copy.deepcopy(base)
    result.pop("status", None)
    result["metadata"] = {**result["metadata"], **meta}
    result["spec"] = dict(result.get("spec") or {})
    return result


def differs(live: Manifest | None, wanted: Manifest) -> str:
    """Which field of the spec is not as wanted; "" when all are. What is there besides is somebody else's."""
    if live is None:
        return "it is not there"
    for key, value in wanted["spec"].items():
        if live.get("spec", {}).get(key) != value:
            return f"`{key}` is another"
    return ""


def elsewhere(options: FluxOptions, wanted: Wanted, base: Manifest | None, kustomization: Manifest | None) -> list[str]:
    """What the repository's own definition of the two will undo, as soon as Flux applies it; for people."""
    found = []
    url = ((base or {}).get("spec") or {}).get("url", wanted.url)
    if url != wanted.url:
        found.append(f"the repository's own GitRepository names {url}: Flux will turn to that, away from {wanted.url}")
    path = str(((kustomization or {}).get("spec") or {}).get("path", options.path))
    if path.strip("./") != options.path.strip("./"):
        found.append(f"the repository's own root Kustomization has the path {path}, and the option says {options.path}")
    return found


def refs(options: FluxOptions) -> tuple[Ref, Ref]:
    """The GitRepository, and the root Kustomization."""
    return (
        Ref(SOURCE, GIT, options.name, options.namespace),
        Ref(KUSTOMIZE, KUSTOMIZATION, options.name, options.namespace),
    )


def duration(seconds: float) -> str:
    """As Go writes it."""
    return f"{round(seconds)}s" if seconds == round(seconds) else f"{round(seconds * 1000)}ms"

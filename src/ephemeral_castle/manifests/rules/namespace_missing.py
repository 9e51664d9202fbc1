"""Namespaces that objects are put into and that nothing makes."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules.fields import ERROR, UNDECIDED, dig, fault, spec, text
from ephemeral_castle.manifests.rules.resolving import FOREIGN, foreign, torn, whole
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "namespace-missing"
ALWAYS = frozenset(("", "default", "kube-system", "kube-public", "kube-node-lease"))


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at the namespace of every object, in a repository that says how the cluster is built."""
    if not whole(repository):
        return
    made = ALWAYS | {one.name for one in repository.of("Namespace")} | set(_made(repository))
    said: set[str] = set()
    for one in repository.objects:
        space = one.namespace
        if space in made or space in said or "$" in space or f"Namespace {space}" in setting.brought:
            continue
        said.add(space)
        why = _why_not(repository, space)
        message = f"nothing makes the namespace `{space}`" if not why else f"whether anything makes `{space}`: {why}"
        hints = ("write a Namespace of that name, in a Kustomization that this one needs",) if not why else ()
        severity = UNDECIDED if why else ERROR
        says = f'namespaces "{space}" not found'
        yield fault(ID, severity, one, ("metadata", "namespace"), message, hints=hints, says="" if why else says)


def _made(repository: Repository) -> Iterator[str]:
    """Namespaces that are there with Flux, or that a release makes."""
    for unit in repository.units:
        yield unit.object.namespace
    for one in repository.of("HelmRelease"):
        if dig(one.manifest, "spec", "install", "createNamespace") is True:
            yield text(spec(one).get("targetNamespace")) or one.namespace


def _why_not(repository: Repository, space: str) -> str:
    if foreign(repository):
        return "a Kustomization takes from another repository, which was not read"
    if any(_foreign(one) for one in repository.objects):
        return "another tool than Flux applies manifests here, too"
    return next(torn(repository, space), "")


def _foreign(one: Object) -> bool:
    return one.kind in FOREIGN and one.group != ""


RULE = Rule(
    ID,
    "objects are put into a namespace that nothing makes",
    "Flux does not make namespaces. The API server refuses every object of one that does not exist, and Flux the "
    "whole Kustomization with it. A release makes its own only with `install.createNamespace` and "
    "`targetNamespace`. All namespaces in the first Kustomization is what rebirths taught.",
    "Flux' documentation; a rebirth whose first Secret had no namespace",
    find,
    ("F68",),
)

"""`namespace`, `namePrefix`, `nameSuffix`, and names that end in a hash. Pure."""

from __future__ import annotations

from ephemeral_castle.manifests.kustomize.faults import Broken
from ephemeral_castle.manifests.kustomize.fields import places
from ephemeral_castle.manifests.kustomize.hashing import digest
from ephemeral_castle.manifests.kustomize.identity import parted
from ephemeral_castle.manifests.kustomize.resource import Resource, Resources, words
from ephemeral_castle.manifests.kustomize.specs import NAMESPACES
from ephemeral_castle.manifests.tree import Map, Seq, text
from ephemeral_castle.model.finding import Mark

KEPT = (("", "CustomResourceDefinition"), ("apiregistration.k8s.io", "APIService"), ("", "Namespace"))
BINDINGS = ("RoleBinding", "ClusterRoleBinding")


def namespace(resources: Resources, wanted: str, mark: Mark) -> None:
    """Sets the namespace of all.

    Raises:
        Broken: two of them become one.
    """
    for each in resources:
        each.remember()
        into(each, wanted, mark)
    resources.reindex()
    seen: dict[tuple[str, ...], Resource] = {}
    for each in resources:
        found = each.id
        key = (*found[:4], found.space)
        if key in seen:
            first = f"the other is {seen[key].manifest.begin}"
            says = f"namespace transformation produces ID conflict: {found}"
            raise Broken(f"`namespace` makes two of {words(found)}", mark, says, first)
        seen[key] = each


def into(resource: Resource, wanted: str, mark: Mark) -> None:
    """Puts one resource into a namespace, unless it is of a kind that has none."""
    if not resource.id.cluster:
        for each in places(resource.manifest, ("metadata", "namespace"), "", mark):
            each.put(wanted, mark)
    if resource.kind in BINDINGS:
        subjects = resource.manifest.get("subjects")
        for subject in subjects if isinstance(subjects, Seq) else ():
            if isinstance(subject, Map) and text(subject.get("name")) == "default":
                subject.put("namespace", wanted, subject.named.get("namespace", mark), mark)
    group, version = parted(resource.api)
    for spec in NAMESPACES:
        if not spec.fits(group, version, resource.kind) or (spec.path == ("metadata", "name") and resource.api != "v1"):
            continue
        for each in places(resource.manifest, spec.path, "" if spec.create else None, mark):
            each.put(wanted, mark)


def affix(resources: Resources, mark: Mark, *, prefix: str = "", suffix: str = "") -> None:
    """Puts something before and after all names, but for kinds whose names mean something."""
    for each in resources:
        first = each.first_id
        if any(first.is_of(group, "", kind) for group, kind in KEPT):
            continue
        each.prefixes += [prefix] if prefix else []
        each.suffixes += [suffix] if suffix else []
        each.remember()
        for place in places(each.manifest, ("metadata", "name"), "", mark):
            at = place.at if place.value else mark
            place.put(f"{prefix}{text(place.value)}{suffix}", at._replace(via=mark) if at != mark else mark)
    resources.reindex()


def hashes(resources: Resources) -> None:
    """Ends the names of what was generated in a hash of its content."""
    for each in resources:
        if each.hashed:
            each.remember()
            meta = each.meta
            meta.put("name", f"{each.name}-{digest(each.manifest)}", meta.named["name"], meta.at["name"])
    resources.reindex()

"""Operators whose chart is told to leave its kinds out, or does so by default."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules import charts
from ephemeral_castle.manifests.rules.crd_beside_operator import defines
from ephemeral_castle.manifests.rules.fields import ERROR, UNDECIDED, Path, dig, fault
from ephemeral_castle.manifests.rules.resolving import whole
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "chart-without-kinds"
BASE: Path = ("spec", "values")
SWITCHES: dict[str, tuple[tuple[Path, bool], ...]] = {
    "cert-manager": ((("crds", "enabled"), False), (("installCRDs",), False)),
    "external-secrets": ((("installCRDs",), True),),
}  # chart: switches of its kinds, each with what it is by default; one that is on is enough


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at the releases of such charts, where the kinds are used."""
    defined = {group for group, _ in map(defines, repository.of("CustomResourceDefinition"))}
    for release in charts.releases(repository):
        switches = SWITCHES.get(release.name, ())
        used = next((one for one in repository.objects if one.group in release.groups), None)
        if not switches or used is None or set(release.groups) & defined or not whole(repository):
            continue
        states = [dig(release.values, *path) for path, _ in switches]
        if any(state is True or (state is None and usual) for state, (_, usual) in zip(states, switches, strict=True)):
            continue
        hidden = dig(release.thing.manifest, "spec", "valuesFrom")
        path = BASE if release.values else ("spec",)
        name = ".".join(map(str, switches[0][0]))
        message = (
            f"the chart leaves its kinds out (`{name}` is not set), and {used.subject} ({used.mark}) is one of them"
        )
        hints = (f"set `{name}: true` in its values, or bring the CRDs in a Kustomization ahead of it",)
        yield fault(ID, UNDECIDED if hidden else ERROR, release.thing, path, message, hints=hints, key=True)


RULE = Rule(
    ID,
    "the chart of an operator is installed without its kinds",
    "cert-manager's chart brings no CustomResourceDefinitions unless it is told to. Its release then fails, or its "
    "controller waits, and every Certificate is refused. A living cluster has the kinds from earlier days.",
    "the values of cert-manager's and external-secrets' charts",
    find,
    ("F66",),
)

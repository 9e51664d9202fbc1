"""Objects in a version of their API that is no longer served."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules import charts
from ephemeral_castle.manifests.rules.fields import ERROR, NOTE, dig, each, fault, labels, text
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.manifests.rules.served import NAMES, Retired, retired
from ephemeral_castle.model.finding import Finding, Severity

ID = "api-version-gone"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every object; where the repository brings the CRD itself, that decides, by its schema."""
    brought = _brought(repository)
    for thing in repository.objects:
        if (thing.group, thing.kind) in brought:
            continue
        for old in retired(thing.api, thing.kind):
            yield _fault(repository, setting, thing, old)


def _fault(repository: Repository, setting: Setting, thing: Object, old: Retired) -> Finding:
    name = NAMES.get(old.component, old.component)
    have = _version(repository, setting, old)
    severity: Severity = ERROR
    if not old.gone or (have and have < old.gone):
        severity = NOTE
        until = f"here, and gone with {name} {_said(old.gone)}" if old.gone else "now, and not for long"
        message = f"`{thing.api}` of {thing.kind} is served {until}"
    else:
        message = f"`{thing.api}` of {thing.kind} is not served any more: gone with {name} {_said(old.gone)}"
        here = "is what is checked for" if old.component == "kubernetes" else "is installed here"
        message += f", and {_said(have)} {here}" if have else ""
    change = f"write `{old.successor}`" if old.successor else "nothing succeeds it"
    says = f'no matches for kind "{thing.kind}" in version "{thing.api}"' if severity is ERROR else ""
    hint = f"{change}; {old.other}" if old.other else change
    return fault(ID, severity, thing, ("apiVersion",), message, hints=(hint,), says=says)


def _version(repository: Repository, setting: Setting, old: Retired) -> tuple[int, ...]:
    if old.component == "kubernetes":
        return setting.kubernetes
    if old.component == "flux":
        return _flux(repository)
    return charts.version(repository, old.component)


def _flux(repository: Repository) -> tuple[int, ...]:
    """Flux' own version: what its operator is told, or the label of its objects; () where neither is here."""
    for instance in repository.of("FluxInstance"):
        return charts.numbers(text(dig(instance.manifest, "spec", "distribution", "version")))
    for thing in repository.of("Deployment"):
        if labels(thing).get("app.kubernetes.io/part-of") == "flux":
            return charts.numbers(text(labels(thing).get("app.kubernetes.io/version")))
    return ()


def _brought(repository: Repository) -> set[tuple[str, str]]:
    definitions = repository.of("CustomResourceDefinition")
    return {
        (text(dig(one.manifest, "spec", "group")), text(dig(one.manifest, "spec", "names", "kind")))
        for one in definitions
        if any(each(one.manifest, "spec", "versions"))
    }


def _said(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


RULE = Rule(
    ID,
    "an object is written in a version of its API that is gone",
    "Versions of an API are retired, in Kubernetes itself and in every operator. A new cluster has the newest, and "
    "refuses what a living one still took: ExternalSecrets in `v1beta1` end with external-secrets 0.17. Flux "
    "refuses the whole Kustomization. The version that counts is the one installed: a release of the chart in the "
    "repository tells it, `--kubernetes-version` that of the cluster. Most objects need no other change than the "
    "version.",
    "Kubernetes' deprecation guide; release notes and CRDs of external-secrets 0.17, Flux 2.8, cert-manager 1.6, "
    "Traefik 3.0, Longhorn 1.10, MetalLB 0.16",
    find,
    ("F60",),
)

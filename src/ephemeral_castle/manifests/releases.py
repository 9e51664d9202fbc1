"""Releases of Helm: rendered where their chart is in the repository and helm is there, else told as not looked into."""

from __future__ import annotations

from collections.abc import Sequence

from ephemeral_castle.manifests.files import Files, joined
from ephemeral_castle.manifests.load import roots
from ephemeral_castle.manifests.looking import CHART, is_object, items
from ephemeral_castle.manifests.ports import Chart, PortFailed, Ports
from ephemeral_castle.manifests.repository import Object
from ephemeral_castle.manifests.tree import Map, placed, text
from ephemeral_castle.model.finding import Finding, Mark, Severity

KINDS = {"HelmRelease": "helm.toolkit.fluxcd.io", "HelmChart": "helm.cattle.io"}
BUILTIN = ("builtin", "HelmChartInflationGenerator")


def is_release(found: Object) -> bool:
    """Whether an object installs a chart."""
    return KINDS.get(found.kind) == found.group


def of_kustomize(entry: Map, chain: Sequence[Mark], directory: str) -> Object:
    """An entry of `helmCharts` of a kustomization, as an object that installs a chart."""
    manifest = Map(entry.begin)
    manifest.put("apiVersion", BUILTIN[0], entry.begin)
    manifest.put("kind", BUILTIN[1], entry.begin)
    meta = Map(entry.begin)
    meta.put("name", text(entry.get("releaseName") or entry.get("name")), entry.begin)
    if entry.get("namespace"):
        meta.put("namespace", text(entry["namespace"]), entry.named["namespace"], entry.at["namespace"])
    manifest.put("metadata", meta, entry.begin)
    manifest.put("spec", entry, entry.begin)
    return Object(manifest, tuple(chain), directory)


def render(charts: Sequence[Object], files: Files, ports: Ports) -> tuple[list[Object], list[Finding], list[Object]]:
    """The objects of all charts that can be rendered, what was not looked into, and the releases that were not."""
    made: list[Object] = []
    unseen: list[Finding] = []
    left: list[Object] = []
    for release in charts:
        chart = _chart(release, files)
        try:
            if chart is None or ports.helm is None:
                raise PortFailed
            made += _objects(ports.helm(chart), release, chart.path)
        except PortFailed as error:
            left.append(release)
            unseen.append(_unseen(release, chart, " ".join(str(error).split())))
    return made, unseen, left


def _unseen(release: Object, chart: Chart | None, said: str) -> Finding:
    why = "its chart lies outside of the repository"
    if chart is not None:
        why = "`helm template` failed" if said else "helm is not installed"
    message = f"the chart of this release was not looked into: {why}"
    spec = release.manifest.get("spec")
    mark = spec.at.get("chart", release.mark) if isinstance(spec, Map) else release.mark
    return Finding(
        "chart-not-rendered", Severity.UNDECIDED, message, mark, says=said, subject=release.subject, chain=release.chain
    )


def _chart(release: Object, files: Files) -> Chart | None:
    """The chart of a release of Flux from the repository itself."""
    spec = _map(release.manifest, "spec")
    wanted = _map(_map(spec, "chart"), "spec")
    path = joined("", text(wanted.get("chart")))
    if not path or _map(wanted, "sourceRef").get("kind") != "GitRepository" or not files.is_file(f"{path}/{CHART}"):
        return None
    space = text(spec.get("targetNamespace")) or release.namespace
    prefix = f"{spec['targetNamespace']}-" if spec.get("targetNamespace") else ""
    return Chart(path, text(spec.get("releaseName")) or prefix + release.name, space, _map(spec, "values"))


def _objects(printed: str, release: Object, path: str) -> list[Object]:
    found, faults = roots(printed)
    if faults:
        raise PortFailed(f"what helm printed is no YAML: {faults[0].message}")
    every = [each for value, mark in found for each, _ in items(value, mark) if is_object(each)]
    return [Object(placed(each, release.mark), release.chain, path, release.unit) for each in every]


def _map(value: Map, key: str) -> Map:
    found = value.get(key)
    return found if isinstance(found, Map) else Map(value.begin)

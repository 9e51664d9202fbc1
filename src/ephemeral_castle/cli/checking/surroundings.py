"""What rules may know of a castle beside its repository: what castle itself puts into the cluster. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ephemeral_castle.manifests.rules.rule import Setting

if TYPE_CHECKING:
    from ephemeral_castle.model.castle import Layer, Site

FLUX_HOME = "flux-system"


def setting_of(site: Site, living: frozenset[str] | None, kubernetes: tuple[int, int] | None) -> Setting:
    """The setting of a castle on a site.

    Args:
        site: where its manifests are applied.
        living: subjects that were seen to live; None: nobody looked.
        kubernetes: version that was asked for; None: that of the cluster which castle raises, else the usual one.
    """
    version = kubernetes or next(filter(None, map(_version, site.layers)), None) or Setting().kubernetes
    nodes = next(filter(None, map(_nodes, site.layers)), None)
    brought = frozenset(subject for layer in site.layers for subject in _brought(layer, site))
    return Setting(version, living, brought, nodes)


def _version(layer: Layer) -> tuple[int, int] | None:
    found = re.match(r"v(\d+)\.(\d+)", str(layer.options.get("version", "")))
    return (int(found[1]), int(found[2])) if layer.driver == "kubeadm" and found else None


def _nodes(layer: Layer) -> int | None:
    """Machines that take pods: the workers, or all where there are none."""
    if layer.driver != "kubeadm":
        return None
    return len(layer.options.get("workers") or layer.options.get("control") or ()) or None


def _brought(layer: Layer, site: Site) -> Iterator[str]:
    """Subjects that a layer's driver makes in the cluster."""
    options = layer.options
    if layer.driver == "flux":
        home = str(options.get("namespace") or FLUX_HOME)
        name = f"{home}/{options.get('name') or FLUX_HOME}"
        yield from (*_secret(name), f"GitRepository {name}", f"Kustomization {name}")
        for place in (*_keys(options.get("secrets")), *(options.get("treasury_ca") or ())):
            yield from _secret(str(place))
        yield f"ConfigMap {home}/castle-values"
        yield from (f"ConfigMap {home}/castle-{each.id}" for each in site.layers)
    elif layer.driver == "cert-manager":
        for each in options.get("carried") or ():
            yield from _secret(f"{each.get('namespace')}/{each.get('secret')}")
    elif options.get("namespace"):
        yield f"Namespace {options['namespace']}"


def _secret(place: str) -> Iterator[str]:
    """A Secret, and the namespace that is made for it."""
    yield f"Secret {place}"
    yield f"Namespace {place.partition('/')[0]}"


def _keys(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, Mapping) else ()

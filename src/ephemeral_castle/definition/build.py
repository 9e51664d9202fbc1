"""A valid definition to `model.castle.Castle`: defaults filled in, paths made absolute."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ephemeral_castle.definition.names import split_bucket_url, split_reach
from ephemeral_castle.definition.references import entries
from ephemeral_castle.model.castle import Budget, Castle, Layer, Reach, Repository, Site, Treasury
from ephemeral_castle.model.giturl import address_of

if TYPE_CHECKING:
    from ephemeral_castle.definition.diagnostic import Span
    from ephemeral_castle.definition.models import Definition, RepositoryModel, SiteModel, TreasuryModel
    from ephemeral_castle.definition.nodes import Node

CONFIG_HOME = "/etc/castle"


def build(definition: Definition, root: Node, file: Path, config_home: str | Path = CONFIG_HOME) -> Castle:
    """The castle.

    Args:
        definition: the validated content.
        root: the tree it came from, for positions.
        file: the definition as the person named it.
        config_home: directory of the default key file.
    """
    here = file.absolute()
    default_keys = str(Path(config_home) / f"{definition.castle}.key")
    return Castle(
        name=definition.castle,
        treasury=_treasury(definition.treasury, definition.castle, here.parent, default_keys),
        sites={name: _site(name, site, definition, root, str(file)) for name, site in definition.sites.items()},
        budget=Budget(rto=definition.budget.rto, rpo=definition.budget.rpo),
        proof_max_age=definition.proof.max_age,
        path=str(here),
        repository=_repository(definition.repository, here.parent) if definition.repository else None,
    )


def _repository(repository: RepositoryModel, base: Path) -> Repository:
    address = address_of(repository.url)
    lines = (repository.host_key or "").strip().splitlines()
    return Repository(
        url=repository.url if address.kind != "file" else _absolute(address.path, base),
        ref=repository.ref,
        key=repository.key or "",
        host_keys=tuple(" ".join(line.split()[:2]) for line in lines),
        token=repository.token or "",
        ca=_absolute(repository.ca, base) if repository.ca else "",
    )


def _treasury(treasury: TreasuryModel, castle: str, base: Path, default_keys: str) -> Treasury:
    bucket, prefix = split_bucket_url(treasury.url)
    return Treasury(
        bucket=bucket,
        prefix=prefix or castle,
        server=treasury.server or "",
        endpoint=treasury.endpoint or "",
        region=treasury.region,
        path_style=treasury.path_style,
        ca=_absolute(treasury.ca, base) if treasury.ca else "",
        keys=_absolute(treasury.keys, base) if treasury.keys else default_keys,
        port=treasury.port,
    )


def _site(name: str, site: SiteModel, definition: Definition, root: Node, file: str) -> Site:
    places = entries(root, "sites", name, "layers")
    layers = []
    for layer, what in definition.layers.items():  # the order of `layers:`, the same on every site
        entry = site.layers.get(layer)
        if entry is None:
            continue  # ground, where a cluster is there already
        layers.append(
            Layer(
                id=layer,
                role=what.role,
                driver=entry.driver,
                needs=tuple(need for need in what.needs if need in site.layers),
                options=dict(entry.model_extra or {}),
                position=_position(file, places[layer].key),
            )
        )
    reach = {service: Reach(*split_reach(text)) for service, text in site.reach.items()}
    return Site(name=name, layers=tuple(layers), subnet=site.subnet, reach=reach)


def _position(file: str, span: Span) -> str:
    return f"{file}:{span.line}:{span.column}"


def _absolute(path: str, base: Path) -> str:
    try:
        expanded = Path(path).expanduser()
    except RuntimeError:  # `~someone` who does not exist: the path is taken as it stands
        expanded = Path(path)
    return str(base / expanded)

"""The definition with every default in it, for `castle plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ephemeral_castle.spi.options import read_options
from ephemeral_castle.spi.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from ephemeral_castle.model.castle import Castle, Layer, Reach, Repository, Treasury


def effective(castle: Castle, options_of: Callable[[str], type[BaseModel] | None]) -> dict[str, Any]:
    """What the definition means: its own form, with every default written out and units as text.

    Args:
        castle: a loaded castle.
        options_of: finds a driver's Options model; layers of unknown drivers keep their options as written.
    """
    first = castle.site()
    repository = {"repository": _repository(castle.repository)} if castle.repository else {}
    return {
        "castle": castle.name,
        "budget": {"rto": _duration(castle.budget.rto), "rpo": _duration(castle.budget.rpo)},
        "proof": {"max_age": format_duration(castle.proof_max_age)},
        "treasury": _treasury(castle.treasury),
        **repository,
        "layers": {layer.id: {"role": layer.role.value, "needs": list(layer.needs)} for layer in first.layers},
        "sites": {
            name: {
                "subnet": site.subnet,
                **({"reach": {name: _reach(each) for name, each in site.reach.items()}} if site.reach else {}),
                "layers": {layer.id: _entry(layer, options_of) for layer in site.layers},
            }
            for name, site in castle.sites.items()
        },
    }


def _reach(reach: Reach) -> str:
    return f"{reach.at}:{reach.host}:{reach.port}"


def _entry(layer: Layer, options_of: Callable[[str], type[BaseModel] | None]) -> dict[str, Any]:
    model = options_of(layer.driver)
    if model is None:
        return {"driver": layer.driver, **layer.options}
    return {"driver": layer.driver, **read_options(model, layer.options).model_dump(mode="json", by_alias=True)}


def _treasury(treasury: Treasury) -> dict[str, Any]:
    url = f"s3://{treasury.bucket}/{treasury.prefix}"
    common: dict[str, Any] = {"url": url, "region": treasury.region, "keys": treasury.keys}
    if treasury.server:
        return {**common, "server": treasury.server, "port": treasury.port}
    with_ca = {"ca": treasury.ca} if treasury.ca else {}
    return {**common, "endpoint": treasury.endpoint, "path_style": treasury.path_style, **with_ca}


def _repository(repository: Repository) -> dict[str, Any]:
    given = {
        "key": repository.key and f"secret:{repository.key}",
        "host_key": "\n".join(repository.host_keys),
        "token": repository.token and f"secret:{repository.token}",
        "ca": repository.ca,
    }
    return {"url": repository.url, "ref": repository.ref, **{key: value for key, value in given.items() if value}}


def _duration(seconds: float | None) -> str | None:
    return None if seconds is None else format_duration(seconds)

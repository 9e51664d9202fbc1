"""Which part does which action."""

from __future__ import annotations

from ephemeral_castle.drivers.flux.controllers import Controllers
from ephemeral_castle.drivers.flux.first import First
from ephemeral_castle.drivers.flux.follow import Units
from ephemeral_castle.drivers.flux.install import Install
from ephemeral_castle.drivers.flux.kept import Kept
from ephemeral_castle.drivers.flux.part import Part
from ephemeral_castle.drivers.flux.rest import Rest, Wake
from ephemeral_castle.drivers.flux.root import Loose, Root
from ephemeral_castle.drivers.flux.source import Source
from ephemeral_castle.drivers.flux.values import Endpoints

PARTS: dict[str, type[Part]] = {
    "source": Source,
    "kept": Kept,
    "rest": Rest,
    "wake": Wake,
    "components": Install,
    "first": First,
    "controllers": Controllers,
    "root": Root,
    "endpoints": Endpoints,
    "units": Units,
    "loose": Loose,
}

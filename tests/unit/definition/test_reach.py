"""The site's `reach`: services of the computer that machines find at their gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from ephemeral_castle.definition.effective import effective
from ephemeral_castle.definition.load import load
from ephemeral_castle.errors import DefinitionInvalid
from ephemeral_castle.model.begun import Begun
from ephemeral_castle.model.castle import Castle, Reach

from .samples import GOOD, MODELS

HERE = "  here:\n"


def read(tmp_path: Path, reach: str) -> Castle:
    assert GOOD.count(HERE) == 1
    file = tmp_path / "castle.yaml"
    file.write_text(GOOD.replace(HERE, f"{HERE}    reach: {reach}\n"))
    return load(file, options_of=MODELS.get, driver_names=list(MODELS))


def test_the_port_at_the_gateway_is_the_same_or_another(tmp_path: Path) -> None:
    castle = read(tmp_path, "{registry: '127.0.0.1:5000', git: '8080:git.lan:80'}")
    assert castle.site().reach == {"registry": Reach(5000, "127.0.0.1", 5000), "git": Reach(8080, "git.lan", 80)}
    shown = effective(castle, MODELS.get)["sites"]["here"]["reach"]
    assert shown == {"registry": "5000:127.0.0.1:5000", "git": "8080:git.lan:80"}


def test_a_run_remembers_it(tmp_path: Path) -> None:
    castle = read(tmp_path, "{registry: '127.0.0.1:5000'}")
    assert Begun.from_json(Begun(castle).to_json()).castle.site().reach == castle.site().reach


def test_a_run_of_before_remembers_none(tmp_path: Path) -> None:
    stored = Begun(read(tmp_path, "{}")).to_json()
    del stored["castle"]["sites"]["here"]["reach"]
    assert Begun.from_json(stored).castle.site().reach == {}


@pytest.mark.parametrize(
    ("reach", "text"),
    [
        ("{registry: 5000}", "must be a text"),
        ("{registry: '5000'}", "is not HOST:PORT"),
        ("{registry: '127.0.0.1'}", "is not HOST:PORT"),
        ("{registry: '127.0.0.1:70000'}", "is not HOST:PORT"),
        ("{registry: '0:127.0.0.1:5000'}", "is not HOST:PORT"),
        ("{registry: 'http://127.0.0.1:5000'}", "is not HOST:PORT"),
        ("{treasury: '127.0.0.1:9443'}", "port 9443 at the gateway is taken: the treasury"),
        ("{web: '443:127.0.0.1:8443'}", "port 443 at the gateway is taken: the maintenance page"),
        ("{a: '127.0.0.1:5000', b: '10.0.0.9:5000'}", "two of `reach` want port 5000"),
        ("{A_b: '127.0.0.1:5000'}", "is not a DNS label"),
    ],
)
def test_what_is_refused(tmp_path: Path, reach: str, text: str) -> None:
    with pytest.raises(DefinitionInvalid) as raised:
        read(tmp_path, reach)
    assert any(text in line for line in raised.value.diagnostics), raised.value.diagnostics

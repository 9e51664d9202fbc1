"""When a restore may say that it has arrived."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ephemeral_castle.drivers.postgres.desk import Desk
from ephemeral_castle.drivers.postgres.home import OPEN_STILL, Home

END = "0/5000000"  # of the last archived segment


def home(**target: Any) -> Home:
    facts = {"database.survey": {"plan": "restore", "target": {"lsn": END, **target}}}
    layer = SimpleNamespace(id="database", driver="postgres")
    return Home(cast("Any", SimpleNamespace(options=None, layer=layer, facts=lambda step: facts.get(step, {}))), Desk())


@pytest.mark.parametrize(
    ("replayed", "still", "arrived"),
    [
        ("0/5000000", 0.0, True),
        ("0/4FFFFF0", OPEN_STILL, True),  # the last record may end before its segment does
        ("0/4FFFFF0", 0.1, False),
        ("0/4000000", 60.0, False),  # the last segment was not replayed at all: a slow treasury is no end
        ("0/3FFFFF0", 60.0, False),
        (None, 60.0, False),
    ],
)
def test_an_open_archive_ends_inside_its_last_segment_only(replayed: str | None, still: float, arrived: bool) -> None:
    """Two seconds of silence of the treasury were taken for the end, up to two segments before it."""
    assert home(open=True)._reached(replayed, still) is arrived


def test_a_seal_is_reached_or_not() -> None:
    assert home()._reached(END, 0.0)
    assert not home()._reached("0/4FFFFF0", 60.0)

"""What `castle down` leaves is said."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ephemeral_castle.cli import wiring
from ephemeral_castle.cli.chores import stays
from ephemeral_castle.cli.places import places

EXAMPLE = Path(__file__).parents[2] / "examples" / "here" / "castle.yaml"


def test_a_key_file_that_stays_was_not_named(tmp_path: Path) -> None:
    castle = wiring.load_castle(str(EXAMPLE))
    keys = tmp_path / "here.key"
    here = dataclasses.replace(castle, treasury=dataclasses.replace(castle.treasury, keys=str(keys)))
    where = places("here")
    assert stays(here, where) == [str(where.images)]
    keys.touch()
    assert stays(here, where) == [str(keys), str(where.images)]
    treasury = dataclasses.replace(here.treasury, server="", endpoint="https://s3.example")
    elsewhere = dataclasses.replace(here, treasury=treasury)
    assert stays(elsewhere, where) == [str(keys), "s3://castle-here/here", str(where.images)]

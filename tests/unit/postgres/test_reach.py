"""What the record says about the reach of a repository holds also when the server dies the next moment."""

from __future__ import annotations

import pytest

from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.reach import reach


@pytest.mark.parametrize(
    ("archived", "here", "known", "held"),
    [
        ("00000002000000000000000C", "0/D0001C0", "0/B041C80", "0/D000000"),
        ("00000002000000000000000A", "0/D0001C0", "0/9041C80", "0/B000000"),  # the archiver is two segments late
        ("00000002.history", "0/D0001C0", "0/B041C80", "0/B041C80"),
        ("", "0/D0001C0", "0/D041C80", "0/D000000"),  # restored to an earlier moment than the record's
        ("", "0/1A2B3C4", "0/0", "0/0"),  # a first life
    ],
)
def test_a_database_that_dies_right_after_a_raise_is_not_taken_for_a_repository_that_was_rolled_back(
    archived: str, here: str, known: str, held: str
) -> None:
    """The record had the server's own position: until its segment was archived, drill and rebirth were refused."""
    assert str(reach(archived, Lsn.parse(here), Lsn.parse(known))) == held

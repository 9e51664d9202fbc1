"""What stands at a name, whose it is, and how long caches may lie."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemeral_castle.drivers.rfc2136 import zone
from ephemeral_castle.drivers.rfc2136.refusals import refused, why_not
from ephemeral_castle.drivers.rfc2136.zone import Kind, Owner, Standing, kind, may_take, stale_until
from ephemeral_castle.spi.names import NameChange
from ephemeral_castle.world.simulated_names import MemoryZone

NAME = "blog.castle.example"
ADDRESS = st.ip_addresses(v=4).map(str)
SIX = st.ip_addresses(v=6).map(str)
MARK = st.sampled_from(['"castle=me life=1"', '"castle=me life=9"', '"castle=you life=1"', '"else"', '"castle=me"'])
STANDINGS = st.builds(
    lambda four, six, marks, alias, delegated: Standing(
        NAME,
        {key: values for key, values in (("A", four), ("AAAA", six)) if values},
        ttl=60 if four or six else 0,
        alias=alias,
        marks=marks,
        delegated=delegated,
    ),
    st.lists(ADDRESS, max_size=2, unique=True).map(tuple),
    st.lists(SIX, max_size=1).map(tuple),
    st.lists(MARK, max_size=2, unique=True).map(tuple),
    st.sampled_from(["", "", "elsewhere.example."]),
    st.sampled_from([False, False, False, True]),
)


def apply(change: NameChange, standing: Standing) -> MemoryZone:
    """A zone in which the standing was, after the change."""
    found = MemoryZone("castle.example")
    for each in zone.unchanged(standing):
        found.put(each)
    found.put(*(each for each in change.put if each.values))
    for each in change.put:
        if not each.values:
            found.sets.pop((each.name, each.type), None)
    return found


@given(STANDINGS, st.booleans())
def test_only_what_is_free_or_ours_is_ever_taken_but_by_word(standing: Standing, adopt: bool) -> None:
    found = kind(standing, "me", 1)
    taken = may_take(found, adopt=adopt)
    clear = not standing.alias and not standing.delegated
    mine = standing.marks == ('"castle=me life=1"',)
    nothing = not standing.marks and not standing.values
    unmarked = not standing.marks and bool(standing.values)
    assert taken == (clear and (mine or nothing or (unmarked and adopt)))


@given(STANDINGS, STANDINGS.map(lambda each: each.marks), ADDRESS | SIX)
def test_a_move_leaves_just_the_address_and_the_mark(standing: Standing, marks: Any, address: str) -> None:
    change = zone.moved("castle.example", [standing], {NAME: address}, Owner("me", 2), 60)
    after = {key: each.values for key, each in apply(change, standing).sets.items() if key[1] != "CNAME"}
    assert after == {(NAME, zone.family(address)): (address,), (f"_castle.{NAME}", "TXT"): ('"castle=me life=2"',)}


@given(STANDINGS)
def test_a_removal_leaves_nothing(standing: Standing) -> None:
    after = apply(zone.removed("castle.example", [standing]), standing)
    assert [key for key in after.sets if key[1] != "CNAME"] == []


@given(STANDINGS)
def test_every_change_expects_all_that_was_seen(standing: Standing) -> None:
    for change in (
        zone.moved("z", [standing], {NAME: "10.0.0.1"}, Owner("me", 1), 1),
        zone.retimed("z", [standing], 5),
        zone.removed("z", [standing]),
        zone.restored("z", [standing], {NAME: standing}),
    ):
        told = {(each.name, each.type): each.values for each in change.expect}
        assert told[NAME, "A"] == standing.addresses.get("A", ())
        assert told[NAME, "AAAA"] == standing.addresses.get("AAAA", ())
        assert told[NAME, "CNAME"] == ()
        assert told[f"_castle.{NAME}", "TXT"] == standing.marks


def test_facts_come_back_from_json() -> None:
    standing = Standing(NAME, {"A": ("10.0.0.1",)}, 60, marks=('"castle=me life=1"',), negative=5)
    assert Standing.from_json(NAME, standing.to_json()) == standing


@pytest.mark.parametrize(
    ("seen", "before", "lowered", "until"),
    [
        (5, 3600, 1010.0, 1010 + 3600),  # lowered early: the old answer outlives the switch
        (5, 60, 1010.0, 1105.0),  # lowered long ago: only the short one counts
        (60, 60, None, 1160.0),  # never lowered
        (5, 60, None, 1160.0),  # lowered by a killed runner, nobody knows when: the bound
    ],
)
def test_caches_may_lie_until(seen: int, before: int, lowered: float | None, until: float) -> None:
    now, old = (Standing(NAME, {"A": ("10.0.0.1",)}, ttl) for ttl in (seen, before))
    assert stale_until(now, old, 1100.0, lowered) == until


def test_a_new_name_is_hidden_by_negative_answers() -> None:
    assert stale_until(Standing(NAME, {}, negative=30), None, 1100.0, None) == 1130.0


@given(STANDINGS)
def test_every_refusal_names_the_name_and_the_next_command(standing: Standing) -> None:
    found = kind(standing, "me", 1)
    if may_take(found, adopt=False):
        return
    assert NAME in why_not(standing, found, 1)
    error = refused([(standing, found)], "castle.example", 1, "nothing was changed")
    assert "castle " in error.hints[-1]
    assert any("--adopt" in hint for hint in error.hints) == (found is Kind.UNCLAIMED)

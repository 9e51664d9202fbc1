"""Which computer may work on a castle, and on which life."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ephemeral_castle.engine.residence import check_residence, lives
from ephemeral_castle.errors import Refused
from ephemeral_castle.model.castle import Castle, Site, Treasury, Verb
from ephemeral_castle.model.events import Event, Kind
from ephemeral_castle.model.record import Record
from ephemeral_castle.spi.driver import Request

SITE = Site("here", ())
CASTLE = Castle("tazlab", Treasury("vault", "tazlab"), {"here": SITE})
STANDS = Record("id", "tazlab", "age1", life=3, site="here", computer="one", run="r0")


def request(verb: Verb, *, source_lost: bool = False) -> Request:
    return Request(verb, CASTLE, SITE, source_lost=source_lost)


@pytest.mark.parametrize("verb", [verb for verb in Verb if verb is not Verb.DRILL])
def test_no_verb_touches_a_life_on_another_computer(verb: Verb) -> None:
    with pytest.raises(Refused, match="stands on another computer") as refused:
        check_residence(STANDS, request(verb), "r1", lives(verb, STANDS, [], "two"), "two")
    assert "--source-lost" in refused.value.hints[-1]
    assert any("not mounted" in hint for hint in refused.value.hints)
    check_residence(STANDS, request(verb), "r1", lives(verb, STANDS, [], "one"), "one")


WIPED = replace(STANDS, site="", computer="", run="r0")


@pytest.mark.parametrize("verb", [verb for verb in Verb if verb not in (Verb.DRILL, Verb.RAISE)])
def test_a_wiped_castle_was_taken_for_one_that_cannot_be_seen(verb: Verb) -> None:
    """`castle backup` after `castle wipe` sent people to the place where the old life stands. There is none."""
    with pytest.raises(Refused, match="was wiped: none of its lives stands") as refused:
        check_residence(WIPED, request(verb), "r1", lives(verb, WIPED, [], "one"), "one")
    assert refused.value.hints[-1] == "castle raise"
    check_residence(replace(WIPED, run="r1"), request(verb), "r1", (3, 3), "one")  # the run that wiped it goes on


def test_a_wiped_castle_is_raised_drilled_or_given_up_by_word() -> None:
    for verb in (Verb.RAISE, Verb.DRILL):
        check_residence(WIPED, request(verb), "r1", lives(verb, WIPED, [], "one"), "one")
    lost = request(Verb.REBIRTH, source_lost=True)
    check_residence(WIPED, lost, "r1", lives(Verb.REBIRTH, WIPED, [], "one"), "one")
    never = Record("id", "tazlab", "age1")
    check_residence(never, request(Verb.REBIRTH), "r1", lives(Verb.REBIRTH, never, [], "one"), "one")


def test_a_drill_works_on_no_life_and_so_anywhere_and_while_others_work() -> None:
    """On another computer, in a life that nobody has; a rebirth meanwhile is no reason to stop."""
    assert lives(Verb.DRILL, STANDS, [], "two") == lives(Verb.DRILL, STANDS, [], "one") == (3, 4)
    check_residence(STANDS, request(Verb.DRILL), "r1", (3, 4), "two")
    check_residence(replace(STANDS, life=4, run="r2"), request(Verb.DRILL), "r1", (3, 4), "one")


def test_a_lost_computer_is_given_up_by_word_and_its_castle_gets_a_new_life() -> None:
    """A raise on another computer worked on the same life, so the old writer identity could not be revoked."""
    assert lives(Verb.RAISE, STANDS, [], "two") == (3, 4)
    assert lives(Verb.RAISE, STANDS, [], "one") == (3, 3)
    assert lives(Verb.BACKUP, STANDS, [], "two") == (3, 3)
    check_residence(STANDS, request(Verb.RAISE, source_lost=True), "r1", (3, 4), "two")


def test_an_announced_life_is_never_used_twice() -> None:
    assert lives(Verb.REBIRTH, replace(STANDS, pending_life=4), [], "two") == (3, 5)
    started = Event("r1", Kind.RUN_STARTED, 0.0, data={"old_life": 3, "life": 4})
    assert lives(Verb.REBIRTH, replace(STANDS, life=9), [started], "one") == (3, 4)


def test_a_run_that_was_overtaken_does_not_go_on() -> None:
    taken = replace(STANDS, life=5, computer="two", run="r2")
    with pytest.raises(Refused, match="raised by another run meanwhile"):
        check_residence(taken, request(Verb.REBIRTH, source_lost=True), "r1", (3, 4), "one")
    check_residence(replace(taken, run="r1", computer="one"), request(Verb.REBIRTH), "r1", (4, 5), "one")

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemeral_castle.views import words
from ephemeral_castle.views.paint import PLAIN, Paint
from ephemeral_castle.views.table import columns


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0, "0.00s"),
        (0.424, "0.42s"),
        (0.996, "1.0s"),
        (8.31, "8.3s"),
        (59.94, "59.9s"),
        (59.96, "1m00s"),
        (700, "11m40s"),
        (3599.6, "1h00m"),
        (3900, "1h05m"),
        (86400, "24h00m"),
        (3 * 86400 + 4 * 3600, "3d04h"),
        (-5, "-5s"),
        (30.0, "30s"),
    ],
)
def test_duration(seconds, text):
    assert words.duration(seconds) == text


@given(st.floats(min_value=0, max_value=2 * 86400))
def test_a_duration_never_shows_sixty_of_anything(seconds):
    assert not re.search(r"(?<![\d.])60[sm]", words.duration(seconds))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "00:00.0"), (38.04, "00:38.0"), (59.97, "01:00.0"), (6000, "100:00.0")]
)
def test_clock(seconds, text):
    assert words.clock(seconds) == text


@pytest.mark.parametrize(
    ("octets", "text"),
    [(None, "-"), (512, "512 B"), (1536, "1.5 KiB"), (41 * 1024**2, "41 MiB"), (2 * 1024**4, "2.0 TiB")],
)
def test_size(octets, text):
    assert words.size(octets) == text


@given(st.text())
def test_text_from_outside_cannot_drive_the_terminal(text):
    assert all(c.isprintable() for c in words.clean(text + "\x1b[2J\r\n\x07"))


def test_an_error_is_told_in_one_line_whatever_form_it_has():
    assert words.error_line({"message": "no answer", "why": "refused"}) == "no answer: refused"
    assert words.error_line({"message": "no answer"}) == "no answer"
    assert words.error_line("boom\nbang") == "boom bang"
    assert words.error_line(None) == "no reason given"


def test_there_are_six_signs_and_each_is_one_character():
    assert len(words.Sign) == 6
    assert {len(sign.value) for sign in words.Sign} == {1}


def test_colour_only_wraps_and_can_be_off():
    assert PLAIN.sign(words.Sign.DONE) == "✔"
    assert Paint(on=True).sign(words.Sign.DONE) == "\x1b[32m✔\x1b[0m"


def test_columns_line_up_and_lines_do_not_end_in_blanks():
    assert columns([["a", "1"], ["long", "100", "x"]], indent=1, right=(1,)) == [" a       1", " long  100  x"]


def test_instant_is_utc():
    assert words.instant(1_795_000_000.0) == "2026-11-18T11:06:40Z"
    assert words.instant(None) == "never"

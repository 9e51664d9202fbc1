"""Durations and sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ephemeral_castle.spi.options import Options, read_options
from ephemeral_castle.spi.units import (
    Duration,
    Size,
    UnitError,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)


class Limits(Options):
    wait: Duration = 60.0
    room: Size | None = None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("60s", 60), ("10m", 600), ("1h30m", 5400), ("1d", 86400), ("250ms", 0.25), ("1.5h", 5400),
     ("1d2h3m4s5ms", 93784.005)],
)  # fmt: skip
def test_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "hint"),
    [("10", "`10s`, `10m` or `10h`"), ("10min", "`10m`"), ("10 m", "`10m`"), ("10M", "`10m`"), ("2 hours", "`2h`"),
     ("30m1h", "1h30m"), ("1h1h", "1h30m"), ("", "10m"), ("-5s", "10m"), ("1w", "`d`"), ("٣s", "10m"), ("1e3s", "10m"),
     ("soon", "10m"), ("1:30", "10m")],
)  # fmt: skip
def test_wrong_duration_names_the_fix(text: str, hint: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse_duration(text)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "size"),
    [("0B", 0), ("512MiB", 536870912), ("2GB", 2_000_000_000), ("1.5GiB", 1610612736), ("1kB", 1000), ("1KiB", 1024),
     ("7B", 7)],
)  # fmt: skip
def test_size(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "hint"),
    [("512", "`512MiB`"), ("512M", "`512MiB` (powers of 1024) or `512MB`"), ("2g", "`2GiB`"), ("4k", "`4kB`"),
     ("512mib", "`512MiB`"), ("2 GiB", "`2GiB`"), ("1.3B", "smaller unit"), ("lots", "512MiB"), ("-1MiB", "512MiB")],
)  # fmt: skip
def test_wrong_size_names_the_fix(text: str, hint: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse_size(text)
    assert hint in caught.value.hint


@given(st.integers(min_value=0, max_value=10**12))
def test_durations_survive_writing_and_reading(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.integers(min_value=0, max_value=10**12))
def test_sizes_survive_writing_and_reading(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_duration, parse_size):
        refused: UnitError | None = None
        try:
            assert parse(text) >= 0
        except UnitError as error:
            refused = error
        assert refused is None or (refused.hint and refused.message.isprintable())


def test_options_read_units_and_write_them_back() -> None:
    limits = read_options(Limits, {"wait": "1h30m", "room": "512MiB"})
    assert (limits.wait, limits.room) == (5400.0, 536870912)
    assert limits.model_dump(mode="json") == {"wait": "1h30m", "room": "512MiB"}
    assert read_options(Limits, limits.model_dump(mode="json")) == limits


@pytest.mark.parametrize("value", [60, 60.0, True, None, ["60s"], {}])
def test_options_refuse_what_is_no_text(value: object) -> None:
    with pytest.raises(ValidationError):
        read_options(Limits, {"wait": value})


def test_refusal_of_a_bare_number_carries_the_fix() -> None:
    with pytest.raises(ValidationError) as caught:
        read_options(Limits, {"wait": 90})
    context = caught.value.errors()[0]["ctx"]
    assert context == {"message": "90 is a duration without a unit", "hint": "add the unit: `90s`, `90m` or `90h`"}

"""Reading options of drivers."""

from __future__ import annotations

from enum import StrEnum

import pytest
from pydantic import BaseModel, ValidationError

from ephemeral_castle.spi.options import Options, read_options


class Colour(StrEnum):
    RED = "red"


class Strict(Options):
    names: tuple[str, ...] = ()
    colour: Colour = Colour.RED
    count: int = 1


class Lax(BaseModel):
    count: int = 1


def test_lists_and_texts_become_tuples_and_enums() -> None:
    assert read_options(Strict, {"names": ["a"], "colour": "red"}) == Strict(names=("a",), colour=Colour.RED)


@pytest.mark.parametrize("model", [Strict, Lax])
@pytest.mark.parametrize("value", ["1", 1.5, True])
def test_nothing_is_coerced_even_into_a_lax_model(model: type[BaseModel], value: object) -> None:
    with pytest.raises(ValidationError):
        read_options(model, {"count": value})


def test_unknown_keys_and_changes_are_refused() -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        read_options(Strict, {"cout": 1})
    with pytest.raises(ValidationError, match="frozen"):
        Strict().count = 2  # type: ignore[misc]


def test_error_texts_do_not_carry_values() -> None:
    with pytest.raises(ValidationError) as caught:
        read_options(Strict, {"count": "hunter2"})
    assert "hunter2" not in str(caught.value)

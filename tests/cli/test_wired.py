"""The composition root offers what the verbs call."""

from __future__ import annotations

import inspect

import pytest

from ephemeral_castle.cli.wired import Wiring

NAMES = [name for name, value in vars(Wiring).items() if inspect.isfunction(value) and not name.startswith("_")]


@pytest.mark.parametrize("name", NAMES)
def test_wiring_has_every_function_with_these_parameters(name):
    from ephemeral_castle.cli import wiring

    wanted = getattr(Wiring, name)
    found = getattr(wiring, name)
    assert list(inspect.signature(found).parameters) == list(inspect.signature(wanted).parameters)[1:]
    assert inspect.iscoroutinefunction(found) == inspect.iscoroutinefunction(wanted)

"""The limits that the test bed puts ahead of Pebble are those that a public CA names."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[2] / "testbed" / "pebble" / "limits.py"
DAY = 86400.0


def book(duplicates: int, domain: int) -> Any:
    spec = importlib.util.spec_from_file_location("acme_limits", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module.Book(duplicates, domain, 7 * DAY)


def issue(found: Any, now: float, *names: str) -> bool:
    """Whether one is issued."""
    if found.refusal(frozenset(names), now) is not None:
        return False
    order = f"{now}-{names}"
    found.ordered(order, frozenset(names))
    found.finalized(order, now)
    return True


def test_five_certificates_a_week_for_the_same_names() -> None:
    found = book(5, 50)
    assert [issue(found, each * DAY, "a.x.example", "b.x.example") for each in range(6)] == [True] * 5 + [False]
    assert issue(found, 5 * DAY, "a.x.example")  # another set of names
    why, first = found.refusal(frozenset({"b.x.example", "a.x.example"}), 6 * DAY)
    assert "too many certificates (5)" in why
    assert first == 0
    assert issue(found, 7.5 * DAY, "a.x.example", "b.x.example")  # the window slides


def test_a_domain_has_a_limit_of_its_own_which_renewals_pass() -> None:
    found = book(5, 3)
    assert [issue(found, 1.0, f"{each}.x.example") for each in "abcd"] == [True, True, True, False]
    assert issue(found, 2.0, "a.x.example")
    assert issue(found, 2.0, "a.y.example") is True


def test_an_order_that_is_not_finalized_counts_for_nothing() -> None:
    found = book(1, 50)
    for each in range(5):
        found.ordered(str(each), frozenset({"a.x.example"}))
    assert found.refusal(frozenset({"a.x.example"}), 1.0) is None

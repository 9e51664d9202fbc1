"""The page docs/reference/definition.md, the example and `castle init`, with the drivers that are installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ephemeral_castle.cli.catalog import driver_names, options_of
from ephemeral_castle.definition.load import check_text
from ephemeral_castle.definition.reference import reference
from ephemeral_castle.definition.template import Answers, definition_text

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "definition.md"
COMMAND = "uv run pytest tests/unit/definition/test_page.py --update-golden"


def test_page_is_what_the_code_says(request: pytest.FixtureRequest) -> None:
    page = reference({name: options_of(name) for name in driver_names()})
    if request.config.getoption("--update-golden"):
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page, f"write it again: {COMMAND}"


@pytest.mark.parametrize("name", driver_names())
def test_every_option_of_a_driver_has_a_meaning(name: str) -> None:
    for line in reference({name: options_of(name)}).splitlines():
        assert not line.endswith("|  |"), line


@pytest.mark.parametrize("text", [(ROOT / "examples/here/castle.yaml").read_text(), definition_text(Answers())])
def test_definition_fits_the_drivers(text: str) -> None:
    found = check_text(text, "castle.yaml", options_of=options_of, driver_names=driver_names())
    assert not found, "\n".join(finding.render() for finding in found)

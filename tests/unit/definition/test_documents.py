"""What is generated: schema, reference, template, units of systemd; and the example."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemeral_castle.cli import catalog
from ephemeral_castle.definition.load import load
from ephemeral_castle.definition.models import Definition
from ephemeral_castle.definition.reference import reference
from ephemeral_castle.definition.schema import json_schema
from ephemeral_castle.definition.template import Answers, definition_text
from ephemeral_castle.definition.timers import systemd_text, systemd_units
from ephemeral_castle.errors import UsageError

from .samples import MODELS, TreasureOptions, check

if TYPE_CHECKING:
    from pydantic import BaseModel

EXAMPLE = Path(__file__).parents[3] / "examples" / "here"


def test_template_loads_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "castle.yaml"
    file.write_text(definition_text(Answers(name="tower", memory="4GiB", database="blog", user="writer")))
    castle = load(file, options_of=MODELS.get, driver_names=list(MODELS))
    assert (castle.name, castle.treasury.bucket, castle.treasury.server) == ("tower", "castle-tower", "here")
    machines, database, _ = castle.site().layers
    assert machines.options["machines"]["data"] == {"id": 431, "memory": "4GiB"}
    assert (database.options["databases"], database.options["users"]) == ({"blog": {"owner": "writer"}}, {"writer": {}})


def test_template_is_small() -> None:
    assert len(definition_text(Answers()).splitlines()) < 25


def test_template_with_another_server(tmp_path: Path) -> None:
    text = definition_text(Answers(bucket="vault/home", endpoint="https://s3.example:9000"))
    file = tmp_path / "castle.yaml"
    file.write_text(text)
    treasury = load(file, options_of=MODELS.get, driver_names=[]).treasury
    assert (treasury.bucket, treasury.prefix, treasury.endpoint) == ("vault", "home", "https://s3.example:9000")
    assert "server: here" not in text


LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
IDENTIFIERS = st.from_regex(r"[a-z_][a-z0-9_]{0,62}", fullmatch=True) | st.sampled_from(["null", "true", "no", "on"])


@given(LABELS | st.sampled_from(["1e3", "0x1f", "null", "true", "42", "no"]), IDENTIFIERS, IDENTIFIERS)
def test_every_allowed_answer_gives_a_valid_definition(name: str, database: str, user: str) -> None:
    text = definition_text(Answers(name=name, database=database, user=user))
    assert check(text) == []


@pytest.mark.parametrize(
    ("answers", "words", "hint"),
    [
        (Answers(name="Tazlab_1"), "cannot be the name of a castle", "try `tazlab-1`"),
        (Answers(database="my-db"), "cannot be the name of a database", ""),
        (Answers(user="x}, y: {"), "cannot be the name of a user", ""),
        (Answers(memory="2G"), "`2G` is not a size", "write `2GiB`"),
        (Answers(memory="64MiB"), "too little", "`512MiB`"),
        (Answers(bucket="Big Bucket"), "treasury: `Big Bucket` is not a bucket name", "lower-case"),
        (Answers(endpoint="http://s3"), "treasury: plain HTTP", "https"),
        (Answers(endpoint="https://s3, x: y"), "treasury: `https://s3, x: y` is not", "https://HOST"),
    ],
)
def test_answers_that_cannot_be_used(answers: Answers, words: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        definition_text(answers)
    assert words in caught.value.message
    assert hint in " ".join(caught.value.hints)


def test_a_database_castle_is_short_and_valid() -> None:
    text = (EXAMPLE.parents[1] / "bench" / "castle.yaml").read_text()
    assert len(text.splitlines()) < 40
    assert check(text) == []


def test_the_example_is_valid_with_the_drivers_that_come_with_castle() -> None:
    castle = load(EXAMPLE / "castle.yaml", options_of=catalog.options_of, driver_names=catalog.driver_names())
    assert {layer.driver for layer in castle.site().layers} <= set(catalog.driver_names())
    assert (EXAMPLE / "init.sql").read_text().count("CREATE TABLE ledger") == 1


def resolve(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema["$defs"][node["$ref"].removeprefix("#/$defs/")]
    return found


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    schema = json_schema(MODELS)
    targets = re.findall(r'"\$ref": "([^"]+)"', json.dumps(schema))
    assert targets
    for target in targets:
        assert target.removeprefix("#/$defs/") in schema["$defs"], target


def test_schema_knows_the_options_of_each_driver() -> None:
    schema = json_schema(MODELS)
    entry = schema["$defs"]["EntryModel"]
    assert entry["properties"]["driver"]["enum"] == ["podman", "postgres", "postgres-probe"]
    chosen = {rule["if"]["properties"]["driver"]["const"]: resolve(schema, rule["then"]) for rule in entry["allOf"]}
    assert set(chosen["postgres"]["properties"]) == {"driver", *TreasureOptions.model_fields}
    assert chosen["postgres"]["additionalProperties"] is False
    assert "machine" in chosen["postgres"]["required"]
    assert chosen["postgres"]["properties"]["timeout"]["default"] == "1m"
    assert re.fullmatch(chosen["postgres"]["properties"]["timeout"]["pattern"], "1h30m")


def test_schema_is_plain_json_and_names_its_dialect() -> None:
    schema = json.loads(json.dumps(json_schema(MODELS)))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(Definition.model_fields)


def test_reference_names_every_key_with_type_default_and_meaning() -> None:
    page = reference(MODELS)
    assert "| `timeout` | duration | `1m` | longest restore |" in page
    assert "| `memory` | size | `512MiB` | memory limit |" in page
    assert "| `max_age` | duration | `1d` |" in page
    assert "| `machine` | machine name | **required** |" in page
    assert "### `sites.NAME.layers.NAME`" in page
    assert "#### `machines.NAME`" in page
    models: list[type[BaseModel]] = [Definition, *MODELS.values()]
    for model in models:
        for key in model.model_fields:
            assert f"| `{key}` |" in page


def test_every_key_of_the_format_has_a_meaning() -> None:
    for line in reference({}).splitlines():
        if line.startswith("| `"):
            assert re.fullmatch(r"\| `\w+` \| [^|]+ \| [^|]+ \| \S.* \|", line), line


def test_units_of_systemd() -> None:
    units = systemd_units("here", "/srv/my castle/50%.yaml", "/opt/castle")
    assert sorted(units) == [
        "castle-here-backup.service",
        "castle-here-backup.timer",
        "castle-here-drill.service",
        "castle-here-drill.timer",
        "castle-here-status.service",
        "castle-here-status.timer",
    ]
    backup = units["castle-here-backup.service"].splitlines()
    assert 'ExecStart=/opt/castle backup -f "/srv/my castle/50%%.yaml" --prove --expire' in backup
    assert "ExecStart=/opt/castle status -f " in units["castle-here-status.service"]
    for name, text in units.items():
        assert text.startswith("[Unit]\n")
        assert ("[Timer]" in text) == name.endswith(".timer")


def test_text_for_systemd_ends_with_the_command_that_switches_it_on() -> None:
    text = systemd_text("here", "/srv/castle.yaml")
    assert text.rstrip().splitlines()[-1] == (
        "# systemctl daemon-reload && systemctl enable --now castle-here-backup.timer castle-here-drill.timer "
        "castle-here-status.timer"
    )

"""From a file to a castle."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ephemeral_castle.definition.effective import effective
from ephemeral_castle.definition.load import load
from ephemeral_castle.errors import DefinitionInvalid
from ephemeral_castle.model.castle import Budget, Castle, Role

from .samples import GOOD, MODELS, changed, check

if TYPE_CHECKING:
    from pydantic import BaseModel


def write(directory: Path, text: str) -> Path:
    file = directory / "castle.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def read(file: Path) -> Castle:
    return load(file, options_of=MODELS.get, driver_names=list(MODELS))


def test_castle(tmp_path: Path) -> None:
    castle = read(write(tmp_path, GOOD))
    assert (castle.name, castle.budget, castle.proof_max_age) == ("here", Budget(rto=30.0, rpo=60.0), 86400.0)
    assert castle.path == str(tmp_path / "castle.yaml")
    assert (castle.treasury.bucket, castle.treasury.prefix, castle.treasury.server) == ("castle-here", "here", "here")
    assert castle.treasury.keys == "/etc/castle/here.key"
    site = castle.site()
    assert [layer.id for layer in site.layers] == ["machines", "database", "answers"]
    database = site.layers[1]
    assert (database.role, database.driver, database.needs) == (Role.TREASURES, "postgres", ("machines",))
    assert database.position == f"{tmp_path}/castle.yaml:17:7"


def test_options_are_kept_as_written(tmp_path: Path) -> None:
    machines = read(write(tmp_path, GOOD)).site().layers[0]
    assert machines.options == {"machines": {"data": {"id": 431, "memory": "2GiB"}, "edge": {"id": 432}}}


def test_layers_stand_in_one_order_on_every_site(tmp_path: Path) -> None:
    lines = GOOD.splitlines(keepends=True)
    machines, answers = lines[11:16], lines[22:]
    text = "".join([*lines[:11], *answers, *lines[16:22], *machines])
    assert [layer.id for layer in read(write(tmp_path, text)).site().layers] == ["machines", "database", "answers"]


def test_prefix_and_endpoint(tmp_path: Path) -> None:
    text = changed("{url: s3://castle-here, server: here}", "{url: s3://vault.x/a/b/, endpoint: 'https://s3.x:9000/'}")
    treasury = read(write(tmp_path, text)).treasury
    assert (treasury.bucket, treasury.prefix, treasury.endpoint) == ("vault.x", "a/b", "https://s3.x:9000")


def test_paths_are_relative_to_the_definition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    text = changed("server: here}", "endpoint: 'https://s3.x', ca: ca.pem, keys: ~/k.key}")
    treasury = read(write(tmp_path, text)).treasury
    assert (treasury.ca, treasury.keys) == (str(tmp_path / "ca.pem"), "/home/me/k.key")


def test_default_key_file_follows_the_configuration_directory(tmp_path: Path) -> None:
    castle = load(write(tmp_path, GOOD), options_of=MODELS.get, driver_names=[], config_home="/home/me/.config/castle")
    assert castle.treasury.keys == "/home/me/.config/castle/here.key"


def test_defaults(tmp_path: Path) -> None:
    text = changed("budget: {rto: 30s, rpo: 60s}\nproof: {max_age: 24h}\n", "")
    castle = read(write(tmp_path, text))
    assert (castle.budget, castle.proof_max_age) == (Budget(), 86400.0)
    assert castle.site().subnet == "10.89.77.0/24"


def test_effective_shows_every_default_and_reads_back_as_the_same_castle(tmp_path: Path) -> None:
    castle = read(write(tmp_path, GOOD))
    shown = effective(castle, MODELS.get)
    database = shown["sites"]["here"]["layers"]["database"]
    assert database["timeout"] == "1m"
    assert shown["sites"]["here"]["layers"]["machines"]["machines"]["edge"]["memory"] == "512MiB"
    assert shown["treasury"]["region"] == "us-east-1"
    again = read(write(tmp_path, json.dumps(shown)))  # JSON is YAML
    assert effective(again, MODELS.get) == shown
    assert (again.budget, again.treasury) == (castle.budget, castle.treasury)


def test_error_carries_everything_a_person_needs(tmp_path: Path) -> None:
    file = write(tmp_path, changed("castle: here", "castle: Here").replace("rto: 30s", "rto: 30"))
    with pytest.raises(DefinitionInvalid) as caught:
        read(file)
    error = caught.value
    assert error.message == f"`{file}` has 2 errors"
    assert error.exit_code == 3
    assert error.hints[-1] == f"correct the file, then `castle plan -f {file}`"
    assert error.diagnostics[1] == (
        f"{file}:2:15: error: `rto`: 30 is a duration without a unit\n"
        "    2 | budget: {rto: 30, rpo: 60s}\n"
        "      |               ^^\n"
        "hint: add the unit: `30s`, `30m` or `30h`"
    )


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DefinitionInvalid, match="there is no definition") as caught:
        read(tmp_path / "nothing.yaml")
    assert "castle init" in caught.value.hints[-1]


def test_directory_instead_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(DefinitionInvalid, match="is not a file"):
        read(tmp_path)


def test_name_that_cannot_be_a_file() -> None:
    with pytest.raises(DefinitionInvalid, match="cannot read"):
        read(Path("a\0b"))


def test_very_many_errors_are_counted_not_printed(tmp_path: Path) -> None:
    junk = "".join(f"junk{number}: 1\n" for number in range(1000))
    with pytest.raises(DefinitionInvalid) as caught:
        read(write(tmp_path, junk + GOOD))
    assert len(caught.value.diagnostics) == 101
    assert caught.value.diagnostics[-1].endswith("more")


def many_layers(count: int) -> str:
    what = "".join(f"  l{n}: {{role: walls, needs: [{f'l{n - 1}' if n else ''}]}}\n" for n in range(count))
    how = "".join(
        f"      l{n}: {{driver: podman, machines: {{m{n}: {{id: {n + 1}, memory: 1GiB}}}}}}\n" for n in range(count)
    )
    head = "castle: here\ntreasury: {url: s3://castle-here, server: here}\n"
    return f"{head}layers:\n{what}sites:\n  here:\n    layers:\n{how}"


def calls(text: str) -> int:
    """Python functions called while the text is checked: a measure of work that does not depend on the computer."""
    count = 0

    def profile(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        found = check(text)
    finally:
        sys.setprofile(before)
    assert found == []
    return count


def test_work_grows_with_the_number_of_layers_and_not_faster() -> None:
    check(many_layers(1))  # caches of regular expressions and types
    assert calls(many_layers(200)) < 4.4 * calls(many_layers(50))


def test_each_driver_is_loaded_once(tmp_path: Path) -> None:
    asked: list[str] = []

    def options_of(name: str) -> type[BaseModel] | None:
        asked.append(name)
        return MODELS.get(name)

    castle = load(write(tmp_path, many_layers(200)), options_of=options_of, driver_names=list(MODELS))
    assert len(castle.site().layers) == 200
    assert asked == ["podman"]


def test_circle_of_many_layers_is_found_without_recursion() -> None:
    text = many_layers(2000).replace("l0: {role: walls, needs: []}", "l0: {role: walls, needs: [l1999]}")
    [finding] = check(text)
    assert finding.message.startswith("needs go in a circle: `l0` needs `l1999` needs `l1998`")

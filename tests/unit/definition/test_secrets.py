"""Secrets in plain text: a warning, and never a character of them on the screen."""

from __future__ import annotations

import pytest

from ephemeral_castle.definition.diagnostic import Diagnostic, Severity
from ephemeral_castle.definition.load import load
from ephemeral_castle.errors import DefinitionInvalid
from ephemeral_castle.model.masking import mask_line

from .samples import GOOD, MODELS, changed, check


def with_password(value: str) -> str:
    return changed("        pooler: edge\n", f"        pooler: edge\n        password: {value}\n")


@pytest.mark.parametrize("value", ["hunter2", "'hunter2'", "|\n          hunter2", "\n          hunter2"])
def test_plain_secret_draws_a_warning_that_does_not_show_it(value: str) -> None:
    [finding] = check(with_password(value))
    assert finding.severity is Severity.WARNING
    assert finding.message == "`password` looks like a secret in plain text"
    assert "secret:NAME" in finding.hints[0]
    assert "hunter2" not in finding.render()


@pytest.mark.parametrize("value", ["secret:database/password", "", "~", "/run/keys/database", "./password.txt"])
def test_references_and_files_draw_none(value: str) -> None:
    assert check(with_password(value)) == []


def test_number_as_a_password_is_masked_in_the_error_too() -> None:
    rendered = "\n".join(finding.render() for finding in check(with_password("8675309")))
    assert "must be a text" in rendered
    assert "8675309" not in rendered


def test_secret_on_the_line_of_another_mistake_is_masked() -> None:
    text = changed("users: {app: {}}", "users: {app: {password: hunter2}}, usrs: {}").replace(
        "        users: {app: {password: hunter2}}, usrs: {}", "        users: {app: {password: hunter2, key: 3}}"
    )
    rendered = "\n".join(finding.render() for finding in check(text))
    assert "error" in rendered
    assert "hunter2" not in rendered


def test_secret_is_masked_when_the_file_cannot_be_parsed() -> None:
    for line in (
        "password: hunter2: x",
        "secret_key: hunter2: x",
        "{token: hunter2: x",
        "u: postgres://app:hunter2@h: x",
    ):
        rendered = "\n".join(finding.render() for finding in check(f"castle: here\n{line}\n"))
        assert "not valid YAML" in rendered
        assert "hunter2" not in rendered, line


@pytest.mark.parametrize(
    "value",
    ["AGE-SECRET-KEY-1QQQQ", "AKIAIOSFODNN7EXAMPLE", "https://app:hunter2@example.org/", "-----BEGIN PRIVATE KEY-----"],
)
def test_secrets_are_known_by_their_look(value: str) -> None:
    found = check(changed("{owner: app}", f"{{owner: app, init: '{value}'}}"))
    assert [finding.severity for finding in found] == [Severity.WARNING]
    assert value not in found[0].render()


def test_ordinary_words_are_left_alone() -> None:
    for line in ("keys: /etc/castle/here.key", "monkey: banana", "url: s3://castle-here", "password: secret:db/app"):
        assert mask_line(line) == line


def test_warnings_do_not_stop_loading(tmp_path) -> None:
    file = tmp_path / "castle.yaml"
    file.write_text(with_password("hunter2"), encoding="utf-8")
    told: list[Diagnostic] = []
    load(file, options_of=MODELS.get, driver_names=list(MODELS), warn=told.append)
    assert [finding.line for finding in told] == [21]


def test_raised_error_does_not_carry_the_secret(tmp_path) -> None:
    file = tmp_path / "castle.yaml"
    file.write_text(with_password("hunter2").replace("castle: here", "castle: X"), encoding="utf-8")
    with pytest.raises(DefinitionInvalid) as caught:
        load(file, options_of=MODELS.get, driver_names=list(MODELS))
    assert "hunter2" not in str(caught.value.as_dict())


def test_good_definition_is_untouched() -> None:
    assert check(GOOD) == []

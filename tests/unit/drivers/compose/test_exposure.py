"""No secret reaches a container through its environment, unless the layer says so, and then everybody is told."""

from __future__ import annotations

import pytest

from tests.unit.drivers.compose.samples import GOOD, said, warned

LINE = "PASSWORD_FILE: /run/secrets/token"


@pytest.mark.parametrize(
    ("variable", "why"),
    [
        ("DB_PASSWORD: hunter2", "`DB_PASSWORD` carries a secret, by its name"),
        ("SMTP_PASSWD: hunter2", "by its name"),
        ("API_KEY: hunter2", "by its name"),
        ("apiToken: hunter2", "by its name"),
        ("TLS_PRIVATE_KEY: hunter2", "by its name"),
        ("DB: ${token}", "`DB` would carry the secret `token`"),
        ("DB: a $token b", "would carry the secret `token`"),
        ("URL: postgres://app:hunter2@db/app", "`URL` carries a password in an address"),
    ],
)
def test_a_secret_is_refused_and_the_other_form_shown(variable: str, why: str) -> None:
    found = said(GOOD.replace(LINE, variable))
    assert len(found) == 1
    assert found[0].startswith("stacks/data/compose.yaml:7:7: ")
    assert why in found[0]
    assert "_FILE: /run/secrets/" in found[0]
    assert "hunter2" not in found[0]


@pytest.mark.parametrize(
    "variable",
    [
        'ALLOW_EMPTY_PASSWORD: "yes"',
        "DB_PASSWORD_FILE: /run/secrets/token",
        'DB_PASSWORD: ""',
        "TOKEN:",
        "URL: https://host:8443/path",
        "GREETING: hunter2",
    ],
)
def test_what_carries_none_is_let_through(variable: str) -> None:
    assert said(GOOD.replace(LINE, variable)) == []


def test_the_list_form_and_env_files_are_looked_at_too() -> None:
    listed = GOOD.replace(
        "environment:\n      PEER: ${CASTLE_ADDRESS_EDGE}\n      " + LINE, "environment:\n      - DB_PASSWORD=x1"
    )
    assert "compose.yaml:6:9: `DB_PASSWORD` carries" in said(listed)[0]
    found = said(GOOD, **{"web.env": "MODE=quiet\nDB_PASSWORD=hunter2\n"})
    assert found[0].startswith("stacks/data/web.env:2:1: `DB_PASSWORD` carries a secret")


def test_an_accepted_one_is_told_each_time() -> None:
    text = GOOD.replace(LINE, "DB_PASSWORD: hunter2")
    assert said(text, accepted=["web.DB_PASSWORD"]) == []
    assert "accepted by `accept_environment`" in warned(text, accepted=["web.DB_PASSWORD"])[0]
    assert "carries no secret any more" in warned(GOOD, accepted=["web.DB_PASSWORD"])[0]

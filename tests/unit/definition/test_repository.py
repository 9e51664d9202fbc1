"""The key `repository`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ephemeral_castle.definition.effective import effective
from ephemeral_castle.definition.load import load
from ephemeral_castle.model.castle import Repository

from .samples import GOOD, MODELS, check, only

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
SSH = f"url: git@git.example.org:home/castle.git, key: secret:git/key, host_key: {HOST_KEY} git.example.org"


def with_repository(keys: str) -> str:
    return GOOD.replace("layers:\n  machines", f"repository: {{{keys}}}\nlayers:\n  machines")


def loaded(keys: str, tmp_path: Path) -> Repository | None:
    file = tmp_path / "castle.yaml"
    file.write_text(with_repository(keys))
    return load(file, options_of=MODELS.get, driver_names=list(MODELS)).repository


def test_a_castle_without_one_has_none(tmp_path: Path) -> None:
    file = tmp_path / "castle.yaml"
    file.write_text(GOOD)
    castle = load(file, options_of=MODELS.get, driver_names=list(MODELS))
    assert castle.repository is None
    assert "repository" not in effective(castle, MODELS.get)


def test_a_path_is_relative_to_the_definition(tmp_path: Path) -> None:
    assert loaded("url: ./castle.git", tmp_path) == Repository(str(tmp_path / "castle.git"), "main")
    assert loaded("url: /srv/castle.git, ref: v1", tmp_path) == Repository("/srv/castle.git", "v1")


def test_ssh_needs_key_and_host_key(tmp_path: Path) -> None:
    found = loaded(SSH, tmp_path)
    assert found == Repository("git@git.example.org:home/castle.git", key="git/key", host_keys=(HOST_KEY,))
    url = "url: git@git.example.org:home/castle.git"
    assert "needs a private key" in only(with_repository(url)).message
    finding = only(with_repository(f"{url}, key: secret:git/key"))
    assert "ssh-keyscan" in finding.hints[0]


def test_https_with_token_and_ca(tmp_path: Path) -> None:
    found = loaded("url: https://me@git.example.org/c.git, token: git/token, ca: ca.pem", tmp_path)
    assert found == Repository("https://me@git.example.org/c.git", token="git/token", ca=str(tmp_path / "ca.pem"))


def test_its_effective_form_can_be_written_again(tmp_path: Path) -> None:
    file = tmp_path / "castle.yaml"
    file.write_text(with_repository(SSH))
    castle = load(file, options_of=MODELS.get, driver_names=list(MODELS))
    shown = effective(castle, MODELS.get)["repository"]
    assert shown == {
        "url": "git@git.example.org:home/castle.git",
        "ref": "main",
        "key": "secret:git/key",
        "host_key": HOST_KEY,
    }


@pytest.mark.parametrize("keys", [SSH, "url: https://git.example.org/c, token: git/token", "url: /c"])
def test_names_of_secrets_and_public_keys_draw_no_warning(keys: str) -> None:
    assert check(with_repository(keys)) == []


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("url: http://git.example.org/c", "neither encrypted nor signed"),
        ("url: 'https://me:hunter2@git.example.org/c'", "must not carry a password"),
        ("url: 'ext::sh -c id'", "helper program"),
        ("url: /c, ref: -x", "begins with a hyphen"),
        ("url: /c, ref: a..b", "cannot be the name"),
        ("url: /c, key: secret:git/key", "belongs to an ssh address"),
        ("url: https://h/c, host_key: ssh-ed25519 AAAA", "belongs to an ssh address"),
        ("url: /c, token: secret:t", "belongs to an https address"),
        ("url: https://h/c, token: ghp_0123456789abcdef0123456789abcdef0123", "must be the name of a secret"),
        ("url: https://h/c, token: 'two words'", "must be the name of a secret"),
        ("url: git@h:c, key: k, host_key: nonsense", "is not a public host key"),
        ("url: /c, branch: main", "unknown key `branch`"),
        ("ref: main", "lacks the key `url`"),
    ],
)
def test_mistakes_are_told_in_words_and_without_the_secret(keys: str, words: str) -> None:
    finding = only(with_repository(keys))
    assert words in finding.message
    rendered = finding.render()
    assert "hunter2" not in rendered
    assert "ghp_" not in rendered

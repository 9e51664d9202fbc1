"""Kubeconfig files are read as kubectl reads them; what they ask to run, or not to verify, is refused."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from ephemeral_castle.errors import Damaged, NotFound, Permanent
from ephemeral_castle.world.kubeconfig import current, files, read

CA, CERTIFICATE, KEY, TOKEN = "the CA\n", "a certificate\n", "a key of 4711\n", "token-4711"


def data(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def config(name: str, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> dict[str, Any]:
    """One context, cluster and user of the same name."""
    given = {"server": f"https://{name}.example.org:6443", "certificate-authority-data": data(CA), **(cluster or {})}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": given}],
        "users": [{"name": name, "user": {"token": TOKEN} if user is None else user}],
    }


def write(path: Path, content: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_token_or_a_client_certificate_with_its_key(tmp_path: Path) -> None:
    found = read(str(write(tmp_path / "a", config("home"))), "home")
    assert (found.server, found.ca) == ("https://home.example.org:6443", CA)
    assert found.token is not None
    assert (found.token.reveal(), found.key) == (TOKEN, None)
    user = {"client-certificate-data": data(CERTIFICATE), "client-key-data": data(KEY)}
    found = read(str(write(tmp_path / "b", config("home", {"tls-server-name": "api"}, user))), "")
    assert found.key is not None
    assert (found.certificate, found.key.reveal(), found.token, found.name) == (CERTIFICATE, KEY, None, "api")


def test_files_of_a_kubeconfig_are_relative_to_it(tmp_path: Path) -> None:
    home = tmp_path / "far" / "away"
    for name, text in (("ca.pem", CA), ("me.pem", CERTIFICATE), ("me.key", KEY), ("token", f"{TOKEN}\n")):
        (home / "pki" / name).parent.mkdir(parents=True, exist_ok=True)
        (home / "pki" / name).write_text(text)
    cluster = {"certificate-authority-data": None, "certificate-authority": "pki/ca.pem"}
    user = {"client-certificate": "pki/me.pem", "client-key": "pki/me.key", "tokenFile": "pki/token", "token": "older"}
    found = read(str(write(home / "config", config("home", cluster, user))), "home")
    assert found.key is not None
    assert found.token is not None
    assert (found.ca, found.certificate, found.key.reveal(), found.token.reveal()) == (CA, CERTIFICATE, KEY, TOKEN)


def test_of_several_files_the_first_that_names_something_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write(tmp_path / "first", config("home", {"server": "https://first.example.org"}))
    second = write(tmp_path / "second", {**config("home"), "current-context": "other"})
    write(tmp_path / "third", config("work"))
    monkeypatch.setenv("KUBECONFIG", f"{first}:{tmp_path / 'missing'}:{second}:{tmp_path / 'third'}")
    assert read("", "home").server == "https://first.example.org"
    assert read("", "work").server == "https://work.example.org:6443"
    assert current("") == "home"


def test_without_the_variable_the_usual_place_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files("") == [tmp_path / ".kube/config"]
    write(tmp_path / ".kube/config", config("home"))
    assert read("", "").server == "https://home.example.org:6443"
    assert files("a:/b", "/definition") == [Path("/definition/a"), Path("/b")]


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any] | None, str]] = {
    "exec": ({}, {"exec": {"command": "aws", "args": ["eks", "get-token"]}}, "has `exec`"),
    "auth-provider": ({}, {"auth-provider": {"name": "gcp"}}, "has `auth-provider`"),
    "password": ({}, {"username": "me", "password": TOKEN}, "has `username`"),
    "impersonation": ({}, {"token": TOKEN, "as": "admin"}, "has `as`"),
    "unverified": ({"insecure-skip-tls-verify": True}, None, "has `insecure-skip-tls-verify`"),
    "proxy": ({"proxy-url": "http://10.0.0.1:3128"}, None, "has `proxy-url`"),
    "http": ({"server": "http://home.example.org"}, None, "no API server"),
    "no ca": ({"certificate-authority-data": None}, None, "no certificate authority"),
    "no key": ({}, {}, "has no key"),
    "half a pair": ({}, {"client-certificate-data": data(CERTIFICATE)}, "has no key"),
    "a file that is gone": ({}, {"tokenFile": "nowhere"}, "`tokenFile` of the kubeconfig cannot be read"),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_castle_does_not_do_is_refused_and_no_value_is_told(tmp_path: Path, case: str) -> None:
    cluster, user, words = REFUSED[case]
    path = write(tmp_path / "config", config("home", cluster, user))
    with pytest.raises(Permanent) as caught:
        read(str(path), "home")
    told = str(caught.value.as_dict())
    assert words in caught.value.message
    assert TOKEN not in told
    assert KEY not in told


@pytest.mark.parametrize("text", ["- a\n", "a: [", f"users: {TOKEN}\n", f"users: [{TOKEN}]\n", "\x80"])
def test_a_file_of_another_form_is_named_and_not_quoted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(Damaged) as caught:
        read(str(path), "home")
    assert caught.value.where == str(path)
    assert TOKEN not in str(caught.value.as_dict())


def test_a_value_that_is_no_base64_is_not_quoted(tmp_path: Path) -> None:
    user = {"client-certificate-data": data(CERTIFICATE), "client-key-data": f"!{TOKEN}"}
    path = write(tmp_path / "config", config("home", None, user))
    with pytest.raises(Damaged) as caught:
        read(str(path), "home")
    assert TOKEN not in str(caught.value.as_dict())
    assert caught.value.where == str(path)


def test_an_unknown_context_names_those_that_are_there(tmp_path: Path) -> None:
    path = write(tmp_path / "config", config("home"))
    with pytest.raises(NotFound) as caught:
        read(str(path), "hone")
    assert "home" in caught.value.why
    assert "did you mean `home`?" in caught.value.hints


def test_no_file_at_all_says_where_castle_looked(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        read(str(tmp_path / "a"), "home")
    assert caught.value.where == str(tmp_path / "a")


def test_a_key_is_in_no_text_of_what_was_read(tmp_path: Path) -> None:
    user = {"client-certificate-data": data(CERTIFICATE), "client-key-data": data(KEY), "token": TOKEN}
    found = read(str(write(tmp_path / "config", config("home", None, user))), "home")
    assert TOKEN not in repr(found)
    assert KEY.strip() not in repr(found)

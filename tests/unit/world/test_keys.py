"""The key file: who may read it, what it refuses, and that it opens what it closed."""

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pyrage  # type: ignore[import-untyped]
import pytest

from ephemeral_castle.errors import Conflict, Damaged, NotFound, Refused
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world import keys as world_keys
from ephemeral_castle.world.keys import KeyFile

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "living-with-it.md"


@pytest.fixture
def keys() -> KeyFile:
    return KeyFile.generate("here")


def test_what_is_written_is_read(tmp_path, keys):
    ca = '-----BEGIN CERTIFICATE-----\nAA="\\\n-----END CERTIFICATE-----\n'
    complete = KeyFile(keys.castle, keys.identity, keys.access_key, keys.secret_key, ca)
    path = complete.write(tmp_path / "new" / "here.key")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    loaded = KeyFile.load(path)
    assert (loaded.castle, loaded.identity, loaded.access_key, loaded.secret_key, loaded.ca) == (
        "here",
        keys.identity,
        keys.access_key,
        keys.secret_key,
        ca,
    )
    assert loaded.path == str(path)


def test_the_mode_does_not_depend_on_the_umask(tmp_path, keys):
    old = os.umask(0)
    try:
        path = keys.write(tmp_path / "here.key")
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_is_never_overwritten(tmp_path, keys):
    path = keys.write(tmp_path / "here.key")
    with pytest.raises(Conflict):
        KeyFile.generate("here").write(path)
    assert KeyFile.load(path).identity == keys.identity


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_may_read_is_refused_with_the_command(tmp_path, keys, mode):
    path = keys.write(tmp_path / "here.key")
    path.chmod(mode)
    with pytest.raises(Refused) as caught:
        KeyFile.load(path)
    assert caught.value.hints[-1] == f"chmod 600 {path}"
    assert f"{mode:04o}" in caught.value.why


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_does_not_take_the_file_of_another_user(tmp_path, keys):
    path = keys.write(tmp_path / "here.key")
    os.chown(path, 12345, -1)
    with pytest.raises(Refused, match="belongs to another user"):
        KeyFile.load(path)


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(NotFound) as caught:
        KeyFile.load(tmp_path / "none.key")
    assert str(tmp_path / "none.key") in caught.value.where


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (lambda text: text.replace("[treasury]", ""), "treasury"),
        (lambda text: text.replace("secret_key", "secret_kex"), "secret_key"),
        (lambda text: text.replace("castle =", "castel ="), "no castle"),
        (lambda text: text.replace("AGE-SECRET-KEY-1", "AGE-SECRET-KEY-2"), "identity"),
        (lambda text: text.replace("access_key = ", "access_key = 7 #"), "access_key"),
        (lambda text: text + "oops", "TOML"),
        (lambda text: text.replace('identity = "', "identity = "), "TOML"),
    ],
)
def test_a_broken_file_is_named_and_its_secrets_are_not_shown(tmp_path, keys, broken, complaint):
    path = keys.write(tmp_path / "here.key")
    path.write_text(broken(path.read_text()))
    with pytest.raises(Damaged, match=complaint) as caught:
        KeyFile.load(path)
    assert str(path) in caught.value.where
    shown = str(caught.value.as_dict()) + repr(caught.value.__cause__)
    assert keys.identity.reveal()[16:] not in shown
    assert keys.secret_key.reveal() not in shown


def test_a_file_that_is_not_text_is_damaged(tmp_path):
    path = tmp_path / "here.key"
    path.write_bytes(b"\xff\xfe\x00")
    path.chmod(0o600)
    with pytest.raises(Damaged):
        KeyFile.load(path)


def test_encryption_is_age_and_every_time_another(keys):
    closed = keys.encrypt(b"treasure")
    assert closed.startswith(b"age-encryption.org/v1\n")
    assert closed != keys.encrypt(b"treasure")
    assert keys.decrypt(closed) == b"treasure"
    assert pyrage.decrypt(closed, [pyrage.x25519.Identity.from_str(keys.identity.reveal())]) == b"treasure"
    assert keys.recipient.startswith("age1")


def test_another_identity_is_damaged_with_the_file_named(tmp_path, keys):
    path = KeyFile.generate("here").write(tmp_path / "other.key")
    other = KeyFile.load(path)
    with pytest.raises(Damaged) as caught:
        other.decrypt(keys.encrypt(b"treasure"), "secrets.age")
    assert "secrets.age" in caught.value.message
    assert str(path) in caught.value.message
    assert other.recipient in caught.value.hints[-1]
    with pytest.raises(Damaged):
        keys.decrypt(keys.encrypt(b"treasure")[:-1])


def test_it_shows_no_secret(keys):
    for text in (repr(keys), str(keys), f"{keys}"):
        assert keys.secret_key.reveal() not in text
        assert keys.identity.reveal() not in text
    assert KeyFile.generate("here").secret_key != keys.secret_key


def test_secrets_given_by_hand_are_read_and_written_again(tmp_path, keys):
    whole = replace(keys, secrets={"database/cipher": Secret('a "pass"\\')})
    loaded = KeyFile.load(whole.write(tmp_path / "here.key"))
    assert loaded.secrets == {"database/cipher": Secret('a "pass"\\')}
    assert "pass" not in repr(loaded)


@pytest.mark.parametrize("table", ["secrets = 1", "[secrets]\nname = 3", "[secrets]\nname = ''"])
def test_secrets_that_are_no_texts_are_refused(tmp_path, keys, table):
    path = keys.write(tmp_path / "here.key")
    text = path.read_text()
    path.write_text(f"{table}\n{text}" if table.startswith("secrets") else f"{text}\n{table}\n")
    with pytest.raises(Damaged):
        KeyFile.load(path)


def test_the_identity_is_handed_to_age_as_the_documents_say(tmp_path, keys):
    """`age --identity KEYFILE` reads no TOML; the line of the documents gives it the identity alone."""
    path = keys.write(tmp_path / "here.key")
    documents = [Path(world_keys.__file__).read_text(), GUIDE.read_text()]
    for document in documents:
        script = re.search(r"sed -n '([^']+)'", document)
        assert script is not None
        told = subprocess.run(["sed", "-n", script[1], str(path)], capture_output=True, text=True, check=True)
        assert told.stdout == keys.identity.reveal() + "\n"

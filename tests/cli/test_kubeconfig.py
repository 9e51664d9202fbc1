"""`castle kubeconfig`: a file for one person, that overwrites nobody else's."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest
import yaml

from ephemeral_castle.cli.kubeconfig import text, write
from ephemeral_castle.errors import Conflict, UsageError
from ephemeral_castle.spi.kubernetes import ClusterAccess
from ephemeral_castle.spi.secret import Secret

HEAD = "# castle c0ffee: "


def test_it_is_what_kubectl_reads() -> None:
    access = ClusterAccess("https://127.0.0.1:7", "CA", "CERTIFICATE", Secret("KEY"), name="kubernetes")
    found = yaml.safe_load(HEAD + "life 2\n" + text("home", access))
    cluster, user = found["clusters"][0]["cluster"], found["users"][0]["user"]
    assert (cluster["server"], cluster["tls-server-name"]) == ("https://127.0.0.1:7", "kubernetes")
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"CA"
    assert base64.b64decode(user["client-key-data"]) == b"KEY"
    assert found["current-context"] == found["contexts"][0]["name"] == "home"


def test_a_token_stands_where_there_is_no_key() -> None:
    found = json.loads(text("home", ClusterAccess("https://a:1", "CA", token=Secret("TOKEN"))))
    assert found["users"][0]["user"] == {"token": "TOKEN"}


def test_nobody_else_can_read_it_and_it_overwrites_its_own(tmp_path: Path) -> None:
    file = tmp_path / "config"
    for life in (1, 2):
        write(file, HEAD, f"{HEAD}life {life}\n{{}}\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "life 2" in file.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["config"]


@pytest.mark.parametrize("found", ["apiVersion: v1\n", "# castle another: life 1\n", ""])
def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path, found: str) -> None:
    file = tmp_path / "config"
    file.write_text(found)
    with pytest.raises(Conflict, match="is not this castle's"):
        write(file, HEAD, f"{HEAD}x")
    assert file.read_text() == found


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text(f"{HEAD}life 1\n")
    (tmp_path / "link").symlink_to(mine)
    with pytest.raises(Conflict):
        write(tmp_path / "link", HEAD, f"{HEAD}life 2\n")
    assert "life 1" in mine.read_text()


def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        write(tmp_path / "none" / "config", HEAD, HEAD)

"""What a machine is handed."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

from ephemeral_castle.drivers.compose import reading
from ephemeral_castle.drivers.compose.parcel import Parcel
from tests.unit.drivers.compose.samples import GOOD, files, wanted

TOKEN = b"correct horse battery staple"
VALUES = {"CASTLE_ADDRESS_EDGE": "10.0.0.3"}


def parcel(compose: str = GOOD, /, token: bytes = TOKEN, more: dict[str, str] | None = None) -> Parcel:
    given = files(compose, **(more or {}))
    read = reading.read(wanted(), given, VALUES)
    assert read.project is not None, read.findings
    return Parcel(
        sha="5" * 40,
        project=read.project,
        file=read.file,
        files=given,
        secrets={"token": token},
        images={"localhost/tool": "localhost/castle-tool:abc"},
        values=VALUES,
    )


def override(of: Parcel) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(of.override().replace(b"!reset null", b"null"))["services"]
    return found


def test_the_projects_files_are_unchanged_and_the_secret_lies_beside_them() -> None:
    with tarfile.open(fileobj=io.BytesIO(parcel().archive(b"tool"))) as tar:
        names = tar.getnames()
        compose = tar.extractfile("project/compose.yaml")
        secret = tar.getmember("project/secrets/token")
    assert compose is not None
    assert compose.read() == GOOD.encode()
    assert (secret.mode, secret.uid, secret.gid) == (0o400, 0, 0)
    assert "tool" in names
    assert {"beside/override.yaml", "beside/env", "project/conf/web.conf"} <= set(names)


def test_the_long_form_and_a_numeric_user_own_the_secret() -> None:
    long = parcel(GOOD.replace("secrets: [token]", "secrets: [{source: token, uid: '7', gid: '8', mode: 0440}]"))
    numeric = parcel(GOOD.replace("    env_file: web.env", "    env_file: web.env\n    user: '1000:100'"))
    of = {each[0]: each[2:] for each in long.contents()}
    assert of["project/secrets/token"] == (0o440, 7, 8)
    of = {each[0]: each[2:] for each in numeric.contents()}
    assert of["project/secrets/token"] == (0o400, 1000, 100)


def test_only_images_labels_and_what_podman_cannot_do_are_overridden() -> None:
    found = override(parcel())
    assert found["job"] == {"image": "localhost/castle-tool:abc", "pull_policy": "never"}
    assert found["web"]["image"] == "registry.example/web:1"
    assert found["web"]["healthcheck"] == {"start_interval": None}
    assert b"!reset null" in parcel().override()


def test_a_file_that_a_service_reads_changes_its_label_and_no_other() -> None:
    before, after = override(parcel()), override(parcel(more={"conf/web.conf": "listen 2\n"}))
    assert before["web"]["labels"] != after["web"]["labels"]
    assert before["job"] == after["job"]
    assert override(parcel(more={"web.env": "MODE=loud\n"}))["web"]["labels"] != before["web"]["labels"]
    assert override(parcel(more={"README.md": "words"})) == before


def test_no_secret_is_in_a_label_or_in_what_the_hand_is_told() -> None:
    one, other = parcel(), parcel(token=b"another one")
    assert one.override() == other.override()
    assert TOKEN.decode() not in json.dumps(one.request("t")) + repr(one)
    assert one.digest("t") != other.digest("t")  # it stays in memory, on both sides
    assert one.request("t")["services"]["web"]["reads"] == ["secrets/token"]
    assert one.request("t")["services"]["job"]["reads"] == []


def test_configs_become_mounts_since_podman_compose_passes_over_them() -> None:
    text = (
        GOOD.replace('command: ["migrate"]', "configs: [{source: c, target: /etc/c}]")
        + "configs: {c: {file: ./web.env}}\n"
    )
    assert override(parcel(text))["job"]["volumes"] == ["./web.env:/etc/c:ro"]


def test_values_come_back_from_the_env_file_as_they_were() -> None:
    import io as text_io

    from dotenv import dotenv_values

    hard = {"A": 'it\'s $x \\ "y" #z', "B": ""}
    made = Parcel("5" * 40, parcel().project, "compose.yaml", {}, values=hard).environment().decode()
    assert dict(dotenv_values(stream=text_io.StringIO(made), interpolate=False)) == hard

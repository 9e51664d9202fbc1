"""Parts of the stand-in of the External Secrets Operator: templates, the store's client, the queue, its manifests."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed import openbao
from testbed.standins.api import Object
from testbed.standins.external_secrets import manifests, passes, stores
from testbed.standins.external_secrets.bao import Bao, NoSecret, ProviderError
from testbed.standins.external_secrets.controllers import Operator
from testbed.standins.external_secrets.template import TemplateError, render
from testbed.standins.work import Work

from tests.standins.external_secrets_bed import MemoryApi, PlayedBao, external, store, token
from tests.standins.source_bed import faults

pytestmark = pytest.mark.evidence("stand-in", "external-secrets")

ROOT = Path(__file__).resolve().parents[2]
VENDORS = ROOT.parent / "shared/crds/external-secrets"
VALUES = {"user": "anna", "pass": "a\nb", "b": "YW5uYQ==", "s3.conf": "x"}

# Templates


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("plain", "plain"),
        ("u={{ .user }}\n", "u=anna\n"),
        ("{{.user}}-{{ .user | upper }}", "anna-ANNA"),
        ('{{ index . "s3.conf" }}', "x"),
        ("{{ .b | b64dec }}", "anna"),
        ("{{ b64enc .user }}", "YW5uYQ=="),
        ("{{ .pass | quote }}", '"a\\nb"'),
        ("{{ .pass | nindent 2 }}", "\n  a\n  b"),
        ('{{ .user | replace "n" "m" | squote }}', "'amma'"),
        ("a {{- .user -}} b", "aannab"),
        ("a{{/* nothing */}}b", "ab"),
        ("{{ `raw` }}{{ 5 }}", "raw5"),
        ("{{ `${SECRET}` }}", "${SECRET}"),
    ],
)
def test_templates(text: str, made: str) -> None:
    assert render("key", text, VALUES) == made


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ .nobody }}", 'map has no entry for key "nobody"'),
        ("{{ if .user }}x{{ end }}", 'part of templates "if"'),
        ("{{ .user | sha256sum }}", 'function "sha256sum"'),
        ("{{ $x := .user }}", "stand-in"),
        ("{{ .user ", "unclosed action"),
        ("{{ .user | replace }}", "wrong number of args for replace"),
        ("{{ .user | }}", "missing value for command"),
        ("{{ }}", "missing value for command"),
    ],
)
def test_what_a_template_cannot_say(text: str, said: str) -> None:
    with pytest.raises(TemplateError, match=said) as caught:
        render("key", text, VALUES)
    assert "at key key" in str(caught.value)


# A real store


def told(verb: str, folder: Path, *more: str, stdin: str = "") -> str:
    """What `testbed/openbao.py` says: a process of its own, so that the server is nobody's child here."""
    command = [sys.executable, openbao.__file__, verb, str(folder), *more]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    if not openbao.PROGRAM.exists():
        pytest.skip("OpenBao is not here: scripts/openbao")
    folder = tmp_path_factory.mktemp("store") / "bao"
    found = json.loads(told("start", folder))
    try:
        told("put", folder, "castle/db", stdin=json.dumps({"s3conf": "x", "a.b": "dotted"}))
        yield {**found, "folder": folder}
    finally:
        told("stop", folder)


def client(bao: dict[str, Any], name: str = "reader", **more: Any) -> Bao:
    known = {"path": "kv", "version": "v2", "token": Path(bao[name]).read_text(), **more}
    return Bao(bao["address"], **known)


def test_a_store_is_read_as_the_operator_reads_it(bao: dict[str, Any]) -> None:
    found = client(bao)
    found.validate()
    assert found.value("castle/db", "s3conf") == b"x"
    assert found.value("castle/db", "a.b") == b"dotted"
    assert json.loads(found.value("castle/db")) == {"s3conf": "x", "a.b": "dotted"}
    assert found.value("kv/data/castle/db", "s3conf") == b"x"
    assert client(bao, path="").value("kv/castle/db", "s3conf") == b"x"
    with pytest.raises(NoSecret):
        found.value("castle/none")
    with pytest.raises(ProviderError, match='cannot find secret data for key: "x"'):
        found.value("castle/db", "x")


def test_what_a_store_refuses_is_said_in_its_words(bao: dict[str, Any]) -> None:
    with pytest.raises(ProviderError, match=r"invalid vault credentials: [\s\S]*Code: 403[\s\S]*permission denied"):
        client(bao, token="s.wrong").validate()
    with pytest.raises(ProviderError, match=r"cannot read secret data from Vault: [\s\S]*Code: 403"):
        client(bao, token="s.wrong").value("castle/db")
    with pytest.raises(ProviderError, match="uses kv version v2 but store is configured for kv version v1"):
        client(bao, version="v1").validate()
    with pytest.raises(ProviderError, match="refused"):
        Bao("http://127.0.0.1:9", "kv", "v2", "s.x").validate()


def test_the_reader_of_a_store_writes_nothing(bao: dict[str, Any]) -> None:
    reader = Path(bao["reader"]).read_text()
    assert openbao.call(bao, reader, "POST", "kv/data/castle/db", {"data": {"a": "b"}})[0] == 403


def test_a_store_started_again_is_the_same_one(bao: dict[str, Any]) -> None:
    folder = bao["folder"]
    before = {name: Path(bao[name]).read_text() for name in openbao.NAMES}
    told("stop", folder)
    again = json.loads(told("start", folder))
    assert again["address"] == bao["address"]
    assert {name: Path(bao[name]).read_text() for name in openbao.NAMES} == before
    assert client(bao).value("castle/db", "s3conf") == b"x"
    assert json.loads(told("start", folder))["pid"] == again["pid"]
    assert not list(folder.glob("first.*"))
    modes = {each.name: each.stat().st_mode & 0o777 for each in (folder, folder / "seal.key", folder / "reader.token")}
    assert set(modes.values()) <= {0o700, 0o600}


# The queue


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_pauses_are_doubled_up_to_seven_minutes_and_forgotten_when_it_goes_well() -> None:
    work = Work[str](clock=Clock())
    assert [work.failed("a") for _ in range(11)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 420, 420]
    work.forget("a")
    assert work.failed("a") == 1


def test_a_failed_name_sleeps_unless_something_changes_it() -> None:
    clock = Clock()
    work = Work[str](clock=clock)
    for _ in range(5):
        work.failed("a")
    clock.now = 0.5
    assert work.take(0) is None
    work.add("a")
    assert work.take(0) == "a"


def test_a_name_is_worked_upon_by_one_and_again_when_it_changed_meanwhile() -> None:
    work = Work[str](clock=Clock())
    work.add("a")
    assert work.take(0) == "a"
    work.add("a")
    work.add("a")
    assert work.take(0) is None
    work.done("a")
    assert work.take(0) == "a"
    work.done("a")
    assert work.take(0) is None


def test_closing_lets_workers_go() -> None:
    work = Work[str]()
    taken: list[str | None] = []
    thread = threading.Thread(target=lambda: taken.append(work.take()))
    thread.start()
    work.close()
    thread.join(5)
    assert taken == [None]


# Controllers and manifests


def test_stores_wake_no_external_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The back-off of one that met a store which was not ready goes on when the store is."""
    api = MemoryApi()
    PlayedBao(**{"castle/db": {"s3conf": "x"}}).install(monkeypatch)
    operator = Operator(api)
    woken: list[Any] = []
    monkeypatch.setattr(operator.externals, "add", woken.append)
    api.put(token())
    api.put(store())
    operator._store("ClusterSecretStore", ("", "vault"))
    assert woken == []


@cache
def schema(plural: str) -> Object:
    file = VENDORS / f"external-secrets.io_{plural}.yaml"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    whole = yaml.load(file.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return dict(next(each for each in whole["spec"]["versions"] if each["name"] == "v1")["schema"]["openAPIV3Schema"])


def test_what_it_reads_and_writes_is_what_the_vendors_definitions_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    api = MemoryApi()
    PlayedBao(**{"castle/db": {"s3conf": "x"}}).install(monkeypatch)
    api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "data"}})
    api.put(token())
    api.put(store())
    stores.check(api, "ClusterSecretStore", "", "vault")
    api.put(external(template={"engineVersion": "v2", "data": {"a": '{{ index . "s3.conf" }}'}}))
    passes.one(api, "data", "db-s3")
    for kind, plural in (("ExternalSecret", "externalsecrets"), ("ClusterSecretStore", "clustersecretstores")):
        live = next(each for each in api.things.values() if each["kind"] == kind)
        assert live["status"]["conditions"]
        for part in ("spec", "status"):
            assert list(faults(live[part], schema(plural)["properties"][part], part)) == []


def test_its_deployment_says_what_it_is_and_has_the_operators_names() -> None:
    found = {(each["kind"], each["metadata"]["name"]): each for each in manifests.documents()}
    deployment = found["Deployment", "external-secrets"]
    assert deployment["metadata"]["annotations"]["org.opencontainers.image.title"].startswith("stand-in for")
    pod = deployment["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "external-secrets"
    assert pod["containers"][0]["image"] == "ghcr.io/external-secrets/external-secrets:v1.3.2"
    assert ("ServiceAccount", "external-secrets") in found


def test_it_needs_the_standard_library_alone() -> None:
    """Its image holds Python and nothing else."""
    code = "import sys; import testbed.standins.external_secrets.__main__ as m; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "yaml" not in done.stdout

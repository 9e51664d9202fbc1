"""Where schemas are fetched from, against servers that answer from memory."""

import base64
import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path

import httpx
import pytest

from ephemeral_castle.errors import Conflict, NotFound, Permanent, Unreachable, UsageError
from ephemeral_castle.world import schema_sources

CRD = b"kind: CustomResourceDefinition\n"


def serving(answers: dict[str, bytes]) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        found = answers.get(str(request.url))
        return httpx.Response(200, content=found) if found is not None else httpx.Response(404)

    return httpx.MockTransport(answer)


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_a_directory_has_a_digest_over_names_and_contents(tmp_path: Path):
    (tmp_path / "crds").mkdir()
    (tmp_path / "crds" / "a.yaml").write_bytes(CRD)
    (tmp_path / "README.md").write_text("no manifest")
    digest, files = schema_sources.directory(tmp_path)
    assert files == [("crds/a.yaml", CRD)]
    (tmp_path / "crds" / "a.yaml").rename(tmp_path / "crds" / "b.yaml")
    assert schema_sources.directory(tmp_path)[0] != digest


def test_a_directory_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(NotFound):
        schema_sources.directory(tmp_path / "none")


def test_a_url_must_have_the_hash_that_is_wanted():
    transport = serving({"https://x.example/crds.yaml": CRD})
    sha256 = hashlib.sha256(CRD).hexdigest()
    assert schema_sources.url("https://x.example/crds.yaml", sha256, transport) == (
        f"sha256:{sha256}",
        [("crds.yaml", CRD)],
    )
    with pytest.raises(Conflict):
        schema_sources.url("https://x.example/crds.yaml", "0" * 64, transport)


def test_what_is_not_there_is_told_with_its_place():
    with pytest.raises(NotFound) as raised:
        schema_sources.url("https://x.example/none.yaml", "", serving({}))
    assert raised.value.where == "https://x.example/none.yaml"


def test_a_server_that_fails_is_not_taken_for_an_empty_one():
    transport = httpx.MockTransport(lambda _: httpx.Response(503))
    with pytest.raises(Unreachable):
        schema_sources.url("https://x.example/a.yaml", "", transport)


def test_archives_give_their_manifests_only():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name in ("a/crd.yaml", "a/main.go"):
            about = tarfile.TarInfo(name)
            about.size = len(CRD)
            tar.addfile(about, io.BytesIO(CRD))
    assert list(schema_sources.unpacked("x.tar.gz", out.getvalue())) == [("a/crd.yaml", CRD)]
    assert list(schema_sources.unpacked("x.zip", zipped({"a.yaml": CRD, "b.py": b""}))) == [("a.yaml", CRD)]


def test_a_broken_archive_is_told():
    with pytest.raises(Permanent):
        list(schema_sources.unpacked("x.zip", b"no zip"))


def test_a_go_module_comes_from_the_proxy_with_the_hash_of_go_sum(monkeypatch: pytest.MonkeyPatch):
    named = "github.com/Example/op@v1.2.3"
    content = zipped({f"{named}/config/crd.yaml": CRD, f"{named}/test/crd.yaml": CRD, f"{named}/go.mod": b"module x"})
    monkeypatch.setenv("GOPROXY", "direct,https://proxy.example")
    transport = serving({"https://proxy.example/github.com/!example/op/@v/v1.2.3.zip": content})
    digest, files = schema_sources.module(named, transport)
    assert files == [("config/crd.yaml", CRD)]
    lines = [
        f"{hashlib.sha256(body).hexdigest()}  {named}/{name}\n"
        for name, body in (("config/crd.yaml", CRD), ("go.mod", b"module x"), ("test/crd.yaml", CRD))
    ]
    assert digest == "h1:" + base64.b64encode(hashlib.sha256("".join(lines).encode()).digest()).decode()


def test_a_module_without_version_is_refused():
    with pytest.raises(UsageError):
        schema_sources.module("github.com/example/op", serving({}))


def test_no_proxy_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GOPROXY", "off")
    with pytest.raises(Permanent):
        schema_sources.module("github.com/example/op@v1.0.0", serving({}))


def test_a_package_gives_the_one_file_of_its_kubernetes_version(monkeypatch: pytest.MonkeyPatch):
    for name in ("UV_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    base = "kubernetes_validate/kubernetes-json-schema"
    wheel = zipped({f"{base}/v1.{minor}.0-local/_definitions.json": b"{}" for minor in (35, 36)})
    listed = {
        "files": [
            {
                "filename": "kubernetes_validate-1.36.0-py3-none-any.whl",
                "url": "https://files.example/kv.whl",
                "hashes": {"sha256": hashlib.sha256(wheel).hexdigest()},
            }
        ]
    }
    transport = serving(
        {
            "https://pypi.org/simple/kubernetes-validate/": json.dumps(listed).encode(),
            "https://files.example/kv.whl": wheel,
        }
    )
    _, files = schema_sources.package("kubernetes-validate==1.36.0", transport)
    assert files == [(f"{base}/v1.36.0-local/_definitions.json", b"{}")]
    with pytest.raises(NotFound):
        schema_sources.package("kubernetes-validate==1.20.0", transport)

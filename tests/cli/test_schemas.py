"""`castle schemas`: pulled from a directory, pinned, listed, dropped, and used by `castle check`."""

import json
import zipfile
from pathlib import Path

import pytest
from tests.unit.manifests.schemas.test_builtin import OPENAPI
from tests.unit.manifests.schemas.test_judge import CRD

OBJECT = "apiVersion: example.com/v1\nkind: Cluster\nmetadata: {name: db}\nspec: {size: %s}\n"


@pytest.fixture(autouse=True)
def repository(tmp_path, monkeypatch):
    monkeypatch.setenv("CASTLE_SCHEMAS", str(tmp_path / "cache"))
    (tmp_path / "operator").mkdir()
    (tmp_path / "operator" / "crd.json").write_text(json.dumps(CRD))
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    (tmp_path / "repo" / "db.yaml").write_text(OBJECT % 12)
    monkeypatch.chdir(tmp_path / "repo")
    return tmp_path / "repo"


def test_nothing_is_pinned_at_first(run):
    assert "no castle-schemas.lock here" in run("schemas").stdout


def test_a_kind_without_schema_is_undecided_until_its_schema_is_pulled(run):
    assert run("check", "db.yaml", "--offline", "--strict").exit_code == 13
    pulled = run("schemas", "pull", "../operator", "--json")
    assert pulled.exit_code == 0, pulled.output
    assert json.loads(pulled.stdout)["sources"][0]["kinds"] == 3
    checked = run("check", "db.yaml", "--offline")
    assert checked.exit_code == 3
    assert "size is below ten" in checked.stdout
    Path("db.yaml").write_text(OBJECT % 3)
    assert run("check", "db.yaml", "--offline", "--strict").exit_code == 0


def test_the_list_names_kinds_and_what_is_not_in_the_cache(run, tmp_path, monkeypatch):
    run("schemas", "pull", "../operator")
    listed = run("schemas").stdout
    assert "example.com/v1 Cluster" in listed
    assert "example.com/v1beta1 Cluster  (not served)" in listed
    monkeypatch.setenv("CASTLE_SCHEMAS", str(tmp_path / "other"))
    assert "(not in the cache)" in run("schemas").stdout


def test_what_is_pinned_and_not_in_the_cache_is_undecided_and_not_taken_for_unserved(run, tmp_path, monkeypatch):
    run("schemas", "pull", "../operator")
    monkeypatch.setenv("CASTLE_SCHEMAS", str(tmp_path / "other"))
    checked = run("check", "db.yaml", "--offline", "--strict")
    assert checked.exit_code == 13
    assert "not on this computer" in checked.stdout
    assert "no longer served" not in checked.stdout


def test_a_pull_without_sources_refuses_what_is_not_pinned(run, tmp_path):
    assert run("schemas", "pull").exit_code != 0
    run("schemas", "pull", "../operator")
    assert run("schemas", "pull").exit_code == 0
    changed = json.loads(json.dumps(CRD))
    changed["spec"]["scope"] = "Cluster"
    (tmp_path / "operator" / "crd.json").write_text(json.dumps(changed))
    refused = run("schemas", "pull")
    assert refused.exit_code != 0
    assert "this is not what the lock pins" in refused.stderr


def test_two_contents_for_one_kind_name_both_files(run, tmp_path):
    run("schemas", "pull", "../operator")
    changed = json.loads(json.dumps(CRD))
    changed["spec"]["scope"] = "Cluster"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "copy.json").write_text(json.dumps(changed))
    refused = run("schemas", "pull", "../other")
    assert refused.exit_code != 0
    assert "crd.json" in refused.stderr
    assert "copy.json" in refused.stderr


def test_a_source_is_dropped(run, tmp_path):
    run("schemas", "pull", "../operator")
    name = str((tmp_path / "operator").resolve())
    assert run("schemas", "drop", name).exit_code == 0
    assert "Cluster" not in run("schemas").stdout
    assert run("schemas", "drop", name).exit_code != 0


def test_a_lock_that_is_broken_is_told(run):
    Path("castle-schemas.lock").write_text("<<<<<<< HEAD\n")
    for words in (("schemas",), ("check", "db.yaml", "--offline")):
        told = run(*words)
        assert told.exit_code not in (0, 70)
        assert "this lock of schemas cannot be read" in told.stderr


def test_a_source_of_the_repository_itself_is_pinned_by_its_path_in_it(run, repository):
    (repository / "crds").mkdir()
    (repository / "crds" / "crd.json").write_text(json.dumps(CRD))
    run("schemas", "pull", "crds")
    assert json.loads(Path("castle-schemas.lock").read_text())["sources"][0]["name"] == "crds"
    assert run("schemas", "pull").exit_code == 0


BUILT_IN = "apiVersion: {}\nkind: {}\nmetadata: {{name: x}}\n"


def test_the_hint_for_a_deployment_led_to_the_crds_of_an_operator(run):
    kinds = (("apps/v1", "Deployment"), ("networking.k8s.io/v1", "Ingress"), ("v1", "Service"))
    Path("app.yaml").write_text("---\n".join(BUILT_IN.format(*each) for each in kinds))
    told = run("check", ".", "--offline").stdout
    mend = "castle schemas pull pypi:kubernetes-validate==1.36.0"
    assert f"hint: {mend}" in told
    assert "Deployment x, Ingress x, Service x)" in told
    assert "Cluster db" in told[: told.index("castle schemas pull SOURCE")].splitlines()[-2]
    assert f"next: `{mend}`" in told
    asked = run("check", ".", "--offline", "--kubernetes-version", "1.30").stdout
    assert "pypi:kubernetes-validate==1.30.0" in asked


def test_a_kind_that_kubernetes_has_no_more_is_not_told_to_be_pulled_again(run, tmp_path):
    (tmp_path / "operator" / "swagger.json").write_text(json.dumps(OPENAPI))
    run("schemas", "pull", "../operator")
    Path("old.yaml").write_text(BUILT_IN.format("policy/v1beta1", "PodSecurityPolicy"))
    told = run("check", "old.yaml", "--offline").stdout
    assert "the schemas of Kubernetes that are pinned have no PodSecurityPolicy (policy/v1beta1)" in told
    assert "schemas pull" not in told


def pin_kubernetes(version: str) -> None:
    """A lock as `castle schemas pull pypi:kubernetes-validate==VERSION` leaves it, without any kind."""
    source = {"name": f"pypi:kubernetes-validate=={version}", "digest": "sha256:0"}
    Path("castle-schemas.lock").write_text(json.dumps({"v": 1, "sources": [source], "kinds": []}))


def test_the_schemas_of_another_version_judged_without_a_word(run):
    Path("db.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    pin_kubernetes("1.30.0")
    asked = run("check", ".", "--offline", "--strict", "--kubernetes-version", "1.36")
    assert asked.exit_code == 13
    assert "built-in kinds are judged as Kubernetes 1.30 has them, and not 1.36" in asked.stdout
    assert "castle schemas pull pypi:kubernetes-validate==1.36.0" in asked.stdout
    for words in ((), ("--kubernetes-version", "1.30")):
        told = json.loads(run("check", ".", "--offline", "--json", *words).stdout)
        assert [each["rule"] for each in told["undecided"]] == ["schema-unknown-kind"]
        assert "kubernetes-validate==1.30.0" in told["undecided"][0]["hints"][0]


@pytest.mark.parametrize("version", ["99.99", "1.99", "2.1", "1.360"])
def test_a_version_that_kubernetes_never_had_was_taken(run, version):
    refused = run("check", ".", "--offline", "--kubernetes-version", version)
    assert refused.exit_code == 2
    assert f"there is no Kubernetes {version}" in refused.stderr


def test_a_path_outside_of_the_repository_was_pinned_without_a_word(run, repository, tmp_path):
    told = run("schemas", "pull", "../operator").stdout
    where = str(tmp_path / "operator")
    assert f"warning: {where} lies outside of the repository" in told
    (repository / "crds").mkdir()
    (repository / "crds" / "crd.json").write_text(json.dumps(CRD))
    run("schemas", "drop", where)
    assert "warning" not in run("schemas", "pull", "crds").stdout


def test_the_hint_for_a_lost_path_left_it_pinned(run, tmp_path):
    run("schemas", "pull", "../operator")
    (tmp_path / "operator").rename(tmp_path / "gone")
    refused = run("schemas", "pull")
    assert refused.exit_code == 4
    assert f"castle schemas drop {tmp_path / 'operator'}" in refused.stderr
    assert "castle schemas pull SOURCE" in refused.stderr
    assert run("schemas", "drop", str(tmp_path / "operator")).exit_code == 0
    assert "schemas drop" not in run("schemas", "pull", "../nowhere").stderr


def other_crd(place: Path) -> None:
    """The same kinds with another content."""
    changed = json.loads(json.dumps(CRD))
    changed["spec"]["scope"] = "Cluster"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(changed))


def test_two_sources_of_one_kind_named_no_way_out(run, tmp_path):
    run("schemas", "pull", "../operator")
    other_crd(tmp_path / "other" / "copy.json")
    refused = run("schemas", "pull", "../other").stderr
    assert f"castle schemas drop {tmp_path / 'operator'}" in refused
    assert run("schemas", "drop", str(tmp_path / "operator")).exit_code == 0
    assert run("schemas", "pull", "../other").exit_code == 0


def test_two_versions_in_one_directory_named_no_way_out(run, tmp_path):
    for name in ("eso", "eso-v2"):
        other_crd(tmp_path / "all" / "crds" / name / "crd.json")
    (tmp_path / "all" / "crds" / "eso" / "crd.json").write_text(json.dumps(CRD))
    refused = run("schemas", "pull", "../all").stderr
    for part in ("crds/eso", "crds/eso-v2"):
        assert f"castle schemas pull {tmp_path / 'all'}#{part}, " in refused
        assert run("schemas", "pull", f"{tmp_path / 'all'}#{part}").exit_code == 0
        assert run("schemas", "drop", f"{tmp_path / 'all'}#{part}").exit_code == 0


@pytest.mark.parametrize(
    ("module", "hint"),
    [
        ("github.com/acme/op/api@v1.0.0", "castle schemas pull go:github.com/acme/op@v1.0.0"),
        ("github.com/fluxcd/flux2/v2@v1.0.0", "go:github.com/fluxcd/source-controller@VERSION"),
        ("github.com/acme/op@v1.0.0", "CRDs lie in the module that holds config/crd"),
    ],
)
def test_a_module_without_crds_did_not_say_where_they_are(run, tmp_path, monkeypatch, module, hint):
    monkeypatch.setenv("GOPROXY", f"file://{tmp_path}")
    path, version = module.split("@")
    place = tmp_path / path / "@v"
    place.mkdir(parents=True)
    with zipfile.ZipFile(place / f"{version}.zip", "w") as archive:
        archive.writestr(f"{module}/go.mod", f"module {path}\n")
    refused = run("schemas", "pull", f"go:{module}")
    assert refused.exit_code == 4
    assert "there is no schema in this source" in refused.stderr
    assert hint in refused.stderr

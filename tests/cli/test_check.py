"""`castle check` and `castle explain` as a person and a script use them: files on disk, no castle needed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ephemeral_castle.cli.checking import stages
from ephemeral_castle.cli.checking.catalogue import catalogue
from ephemeral_castle.model.finding import Edit, Finding, Mark, Severity

GOOD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\ndata: {a: b}\n"
TWICE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: b\n  a: c\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    monkeypatch.chdir(tmp_path)

    def write(**files: str) -> Path:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_yaml", ".yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def test_a_directory_a_file_and_standard_input_need_no_castle(run, here):
    here(apps__a_yaml=TWICE)
    for words, name in ((["apps"], "apps/a.yaml"), (["apps/a.yaml"], "apps/a.yaml"), ([], "apps/a.yaml")):
        result = run("check", "--offline", *words)
        assert result.exit_code == 3
        assert f"✗ {name}:6:3: error: `a` stands here twice  [yaml]" in result.stdout
        assert "    6 |   a: c\n      |   ^\n" in result.stdout
    result = run("check", "-", input=TWICE)
    assert result.exit_code == 3
    assert "<stdin>:6:3" in result.stdout


def test_what_is_well_is_told_in_one_line(run, here):
    here(a_yaml=GOOD)
    result = run("check", "a.yaml", "--no-rule", "schema-unknown-kind")
    assert (result.exit_code, result.stdout) == (0, "✔ nothing wrong; looked at 1 file, 1 object\n")


@pytest.mark.parametrize("words", [["empty"], ["-"], ["-", "a.yaml"], ["none.yaml"], ["a.yaml", "empty"]])
def test_nothing_at_all_in_what_was_named_passed_as_no_fault(run, here, words):
    (here(a_yaml=GOOD, none_yaml="# soon\n") / "empty").mkdir()
    result = run("check", *words, "--offline")
    assert result.exit_code == 3
    assert "error: there is no object of Kubernetes in" in result.stdout
    assert "no fault was found" not in result.stdout
    assert ("pipefail" in result.stdout) == ("-" in words)


@pytest.mark.parametrize(("words", "code"), [([], 0), (["--strict"], 13)])
def test_a_check_of_nothing_is_no_proof(run, here, words, code):
    here(lan__kustomization_yaml="apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamePrefix: a-\n")
    for named in ([], ["lan"]):
        result = run("check", "--offline", *named, *words)
        assert result.exit_code == code
    assert "there is no object of Kubernetes in" in result.stdout
    assert "✔" not in result.stdout


def test_a_path_that_is_not_there_names_the_near_one(run, here):
    here(apps__db_yaml=GOOD)
    result = run("check", "apps/bd.yaml")
    assert result.exit_code == 2
    assert "there is no file or directory `apps/bd.yaml`" in result.stderr
    assert "did you mean `apps/db.yaml`?" in result.stderr


def test_bytes_that_are_no_text_are_told_with_their_place(run, here):
    (here() / "a.yaml").write_bytes(b"a: 1\nb: \xff\n")
    result = run("check", ".")
    assert result.exit_code == 3
    assert "a.yaml:2:4: error: byte 0xff is not UTF-8" in result.stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read(run, here):
    (here(a_yaml=GOOD) / "a.yaml").chmod(0)
    result = run("check", ".")
    assert result.exit_code == 3
    assert "this file cannot be read: Permission denied" in result.stdout


def test_a_link_out_of_the_directory_is_not_followed(run, here):
    root = here(inside__a_yaml=GOOD, outside__secret_yaml=TWICE)
    (root / "inside" / "link.yaml").symlink_to(root / "outside" / "secret.yaml")
    (root / "inside" / "loop").symlink_to(root / "inside")
    result = run("check", "inside")
    assert "secret" not in result.stdout
    assert "stands here twice" not in result.stdout


def test_every_mistake_of_a_definition_is_told(run, here):
    here(castle_yaml="castle: here\nlaiers: {}\n")
    result = run("check", "--offline")
    assert result.exit_code == 3
    assert "castle.yaml:2:1: error: unknown key `laiers`  [definition]" in result.stdout
    assert "hint: did you mean `layers`?" in result.stdout
    assert "the definition lacks the key `treasury`" in result.stdout
    assert run("check", "castle.yaml", "--offline").stdout == result.stdout


def test_a_secret_in_a_definition_is_not_shown(run, here):
    here(castle_yaml="castle: here\npassword: hunter22\n")
    result = run("check", "--offline")
    assert "unknown key `password`" in result.stdout
    assert "hunter22" not in result.stdout


def test_two_definitions_at_once_are_refused(run, here):
    here(a__castle_yaml="castle: a\n", b__castle_yaml="castle: b\n")
    result = run("check", "a", "b")
    assert result.exit_code == 2
    assert "2 definitions at once" in result.stderr


@pytest.mark.parametrize(("words", "code"), [([], 0), (["--fail-on", "warning"], 3), (["--fail-on", "note"], 3)])
def test_fail_on(run, here, words, code):
    here(a_yaml=GOOD + "# castle:ignore yaml\n")
    assert run("check", "a.yaml", *words).exit_code == code


def test_a_comment_leaves_a_finding_out(run, here):
    here(a_yaml=TWICE.replace("a: c", "a: c  # castle:ignore yaml the second is a note to myself"))
    result = run("check", "a.yaml")
    assert result.exit_code == 0
    assert "1 left out by comments" in result.stdout


def test_rules_on_and_off(run, here):
    here(a_yaml=TWICE)
    assert run("check", "a.yaml", "--no-rule", "yaml").exit_code == 0
    assert run("check", "a.yaml", "--rule", "definition").exit_code == 0
    assert run("check", "a.yaml", "--rule", "yaml").exit_code == 3
    result = run("check", "a.yaml", "--no-rule", "yam")
    assert result.exit_code == 2
    assert "did you mean `yaml`?" in result.stderr


def test_a_baseline_needs_a_reason_and_then_holds(run, here):
    here(apps__a_yaml=TWICE)
    assert run("check", "apps", "--write-baseline", "known.yaml").exit_code == 2
    result = run("check", "apps", "--write-baseline", "known.yaml", "--reason", "the vendor ships it so")
    assert (result.exit_code, result.stderr) == (0, "wrote known.yaml: 1 error\n")
    result = run("check", "apps", "--baseline", "known.yaml")
    assert result.exit_code == 0
    assert "1 in the baseline" in result.stdout
    here(apps__a_yaml=GOOD)
    assert "is found there no more" in run("check", "apps", "--baseline", "known.yaml").stdout


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_machine_readable_forms(run, here, form):
    here(a_yaml=TWICE)
    result = run("check", "a.yaml", "--format", form)
    assert result.exit_code == 3
    value = json.loads(result.stdout)
    (told,) = value["findings"] if form == "json" else value["runs"][0]["results"]
    assert told.get("rule", told.get("ruleId")) == "yaml"
    assert form == "sarif" or run("check", "a.yaml", "--json").stdout == result.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["--json", "--format", "sarif"],
        ["--apply"],
        ["--reason", "x"],
        ["--fix", "--write-baseline", "f", "--reason", "x"],
        ["--kubernetes-version", "new"],
    ],
)
def test_words_that_exclude_one_another(run, here, words):
    here(a_yaml=GOOD)
    assert run("check", "a.yaml", *words).exit_code == 2


@pytest.fixture
def mendable(monkeypatch):
    """A stage whose finding knows its mend."""
    mark = Mark("a.yaml", 4, 8, 1)

    def stage(repository, _situation):
        if "a.yaml" in repository.texts and "{a: " in repository.texts["a.yaml"]:
            yield Finding("yaml", Severity.ERROR, "wrong", mark, edits=(Edit(mark, "z"),))

    monkeypatch.setattr(stages, "STAGES", (stage,))


def test_fix_prints_and_writes_only_on_demand(run, here, mendable):
    root = here(a_yaml=GOOD)
    result = run("check", "a.yaml", "--fix")
    assert result.stdout.splitlines()[:2] == ["--- a/a.yaml", "+++ b/a.yaml"]
    assert "+data: {z: b}" in result.stdout
    assert (root / "a.yaml").read_text() == GOOD
    assert result.exit_code == 3
    result = run("check", "a.yaml", "--fix", "--apply")
    assert result.exit_code == 0, "what was mended is no finding any more"
    assert result.stderr == "wrote a.yaml\nleft: nothing\n"
    assert (root / "a.yaml").read_text() == GOOD.replace("{a: b}", "{z: b}")
    assert "nothing here can be mended by castle" in run("check", "a.yaml", "--fix").stderr


def test_what_a_mend_has_left_was_told_by_the_exit_code_alone(run, here, mendable):
    here(a_yaml=GOOD + "# castle:ignore yaml\n")
    result = run("check", "a.yaml", "--fix", "--apply")
    assert result.exit_code == 0
    assert result.stderr == "wrote a.yaml\nleft: 1 warning; `castle check` with the same paths shows it\n"


def test_the_help_kept_back_that_this_directory_is_looked_at(run):
    assert "where there is no definition, this directory" in " ".join(run("check", "--help").stdout.split())


def test_explain_lists_all_and_tells_one(run):
    listed = run("explain")
    assert listed.exit_code == 0
    for rule in catalogue():
        assert f"{rule} " in listed.stdout
        assert run("explain", rule).exit_code == 0
    assert len(json.loads(run("explain", "--json").stdout)["rules"]) == len(catalogue())


def test_explain_of_a_misspelled_rule_names_the_near_one(run):
    result = run("explain", "defintion")
    assert result.exit_code == 2
    assert "did you mean `definition`?" in result.stderr


@pytest.mark.parametrize("form", ["text", "json", "sarif", "junit", "github"])
def test_names_of_files_that_are_no_text_were_a_bug(run, here, form):
    root = here()
    (Path(os.fsencode(root).decode()) / os.fsdecode(b"bad\xff.yaml")).write_text(TWICE)
    (root / "new\nline.yaml").write_text(TWICE)
    result = run("check", ".", "--offline", "--format", form)
    assert result.exit_code == 3
    assert "bad?.yaml" in result.stdout or "bad%3F.yaml" in result.stdout
    assert run("check", ".", "--write-baseline", "b.yaml", "--reason", "x").exit_code == 0
    assert run("check", ".", "--baseline", "b.yaml", "--offline").exit_code == 0


def test_a_link_to_itself_was_a_bug_and_a_pipe_a_hang(run, here):
    root = here(a_yaml=GOOD)
    (root / "loop.yaml").symlink_to("loop.yaml")
    os.mkfifo(root / "pipe.yaml")
    assert run("check", ".", "--offline").exit_code == 0
    assert "is a link that leads nowhere" in run("check", "loop.yaml").stderr
    result = run("check", "pipe.yaml", "--offline")
    assert "this is no usual file" in result.stdout
    assert result.exit_code == 3


@pytest.mark.parametrize("path", ["apps/a.yaml", "apps"])
def test_the_lock_of_schemas_beside_a_file_was_not_found_from_elsewhere(run, here, path):
    root = here(apps__a_yaml=GOOD)
    (root / "apps" / "castle-schemas.lock").write_text("no lock")
    result = run("check", path, "--offline")
    assert result.exit_code == 4
    assert "this lock of schemas cannot be read" in result.stderr


def test_a_mend_and_a_baseline_for_scripts(run, here, mendable):
    here(a_yaml=GOOD)
    told = json.loads(run("check", "a.yaml", "--fix", "--json").stdout)
    assert (told["kind"], told["files"], told["written"]) == ("fix", ["a.yaml"], False)
    assert "+data: {z: b}" in told["diff"]
    words = ["check", "a.yaml", "--write-baseline", "b.yaml", "--reason", "x"]
    assert json.loads(run(*words, "--json").stdout) == {
        "kind": "baseline",
        "file": "b.yaml",
        "counts": {"error": 1},
    }
    words[3] = "nowhere/b.yaml"
    result = run(*words)
    assert result.exit_code == 2
    assert "the baseline `nowhere/b.yaml` cannot be written" in result.stderr


SERVED = """apiVersion: v1
kind: Service
metadata: {name: blog, namespace: b}
spec: {ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: blog, namespace: b}
spec: {defaultBackend: {service: {name: blog, port: {number: 8080}}}}
"""


def test_a_place_in_a_message_was_told_from_the_argument_and_a_known_finding_came_back(run, here, monkeypatch):
    root = here(apps__base__a_yaml=SERVED)
    assert run("check", ".", "--offline", "--write-baseline", "b.yaml", "--reason", "x").exit_code == 0
    assert "(apps/base/a.yaml:1:1)" in run("check", "apps", "--offline").stdout
    result = run("check", "apps", "--offline", "--baseline", "b.yaml")
    assert result.exit_code == 0
    assert "1 in the baseline" in result.stdout
    assert "found there no more" not in result.stdout
    monkeypatch.chdir(root / "apps" / "base")
    result = run("check", "..", "--offline", "--baseline", "../../b.yaml")
    assert result.exit_code == 0
    assert "(../base/a.yaml:1:1)" in run("check", "..", "--offline").stdout


@pytest.mark.parametrize("form", ["sarif", "github"])
@pytest.mark.parametrize("git", [True, False])
def test_annotations_from_a_subdirectory_or_of_an_absolute_path_pointed_nowhere(run, here, monkeypatch, form, git):
    root = here(apps__base__a_yaml=TWICE, apps__other__b_yaml=GOOD)
    if git:
        (root / ".git").mkdir()
    monkeypatch.chdir(root / "apps" / "other")
    for named in ("../base", str(root / "apps")):
        told = run("check", named, "--offline", "--format", form).stdout
        result = json.loads(told)["runs"][0]["results"][0] if form == "sarif" else told
        name = "apps/base/a.yaml" if git else str(Path(named) / ("base/a.yaml" if named.endswith("apps") else "a.yaml"))
        wanted = f'"uri": "{name}"' if form == "sarif" else f"::error file={name},line=6,"
        assert wanted in (json.dumps(result) if form == "sarif" else result)


@pytest.mark.parametrize("head", ["", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"])
def test_a_kustomization_named_as_a_single_file_was_refused_as_no_object(run, here, head):
    here(apps__kustomization_yaml=f"{head}resources: [a.yaml]\n", apps__a_yaml=GOOD)
    result = run("check", "--offline", "apps/kustomization.yaml")
    assert (result.exit_code, result.stdout) == (0, "✔ nothing wrong; looked at 1 file\n")
    here(apps__kustomization_yaml=f"{head}resuorces: [a.yaml]\n")
    result = run("check", "--offline", "apps/kustomization.yaml")
    assert result.exit_code == 3
    assert f"apps/kustomization.yaml:{3 if head else 1}:1: error:" in result.stdout
    assert "resuorces" in result.stdout
    assert "[kustomization]" in result.stdout
    here(apps__kustomization_yaml=f"{head}resources: [a.yaml]\nopenapi: {{path: x.json}}\n")
    result = run("check", "--offline", "apps/kustomization.yaml", "--strict")
    assert result.exit_code == 13
    assert "`openapi` is not rendered by castle" in result.stdout


def test_an_empty_or_broken_kustomization_by_itself_is_a_fault(run, here):
    here(kustomization_yaml="# soon\n", Kustomization="resources: [\n")
    result = run("check", "--offline", "kustomization.yaml", "Kustomization")
    assert result.exit_code == 3
    assert "the kustomization is empty" in result.stdout
    assert "Kustomization:2:1: error:" in result.stdout
    assert "Kustomization:1:1" not in result.stdout

"""A repository is read as the cluster would get it, and what is no manifest is left out without a word."""

from __future__ import annotations

import base64

import pytest

from ephemeral_castle.manifests.files import Memory
from ephemeral_castle.manifests.ports import Chart, PortFailed, Ports
from ephemeral_castle.manifests.reading import read, read_files
from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.substitution import Undecided
from ephemeral_castle.manifests.tree import place
from ephemeral_castle.model.finding import Mark, Severity

WEB = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {host: 'a.${DOMAIN}'}\n"


def named(name: str, kind: str = "ConfigMap", more: str = "") -> str:
    return f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}}}\n{more}"


def unit(name: str, path: str, more: str = "", api: str = "v1") -> str:
    return (
        f"apiVersion: kustomize.toolkit.fluxcd.io/{api}\nkind: Kustomization\n"
        f"metadata: {{name: {name}, namespace: flux-system}}\n"
        f"spec:\n  path: {path}\n  sourceRef: {{kind: GitRepository, name: flux-system}}\n{more}"
    )


def of(files: dict[str, str | bytes], start: str = "", ports: Ports | None = None) -> Repository:
    return read(Memory(files), start, ports or Ports())


def subjects(repository: Repository) -> list[str]:
    return [each.subject for each in repository.objects]


def faults(repository: Repository) -> list[tuple[str, str, str]]:
    return [(each.rule, str(each.mark), each.message) for each in repository.faults]


def test_plain_files_are_objects_on_their_own() -> None:
    found = of({"a/x.yaml": WEB, "b.json": '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}'})
    assert subjects(found) == ["ConfigMap web", "Secret s"]
    assert [(each.root, each.unit, each.chain) for each in found.objects] == [("", "", ())] * 2
    assert found.faults == ()
    assert set(found.texts) == {"a/x.yaml", "b.json"}


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("values.yaml", "replicaCount: 1\nkind: ClusterIP\n"),
        (".github/workflows/ci.yaml", "on: push\njobs: {a: {steps: [{run: 'kubectl apply apiVersion kind'}]}}\n"),
        ("castle.yaml", "castle: x\n"),
        ("gitlab.yml", "a: !reference [b, c]\n"),
        ("chart/templates/x.yaml", "{{ if .Values.a }}\napiVersion: v1\nkind: Secret\n{{ end }}\n"),
        ("t.yaml", "apiVersion: v1\nkind: {{ kind }}\n{{- range }}\n"),
        ("kind.yaml", "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n"),
        ("kubeadm.yaml", "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"),
        ("list.json", "[1, 2]\n"),
        ("a.yaml", "# apiVersion kind\n"),
    ],
)
def test_what_is_no_manifest_is_left_out_without_a_word(path: str, written: str) -> None:
    found = of({path: written, "chart/Chart.yaml": "apiVersion: v2\nname: x\nkind: none\n"})
    assert (found.objects, found.faults) == ((), ())


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (named("a") + "data: {x: 1}\ndata: {y: 2}\n", ("yaml", "a.yaml:5:1", "`data` stands here twice")),
        ("apiVersion: v1\nkind: Secret\n", ("yaml", "a.yaml:1:1", "this Secret has no `metadata.name`")),
        ("apiVersion: v1\nkind: Secret\nmetadata: [\n", ("yaml", "a.yaml:4:1", "")),
    ],
)
def test_what_is_wrong_with_a_manifest_is_told(written: str, told: tuple[str, str, str]) -> None:
    assert [each[:2] for each in faults(of({"a.yaml": written}))] == [told[:2]]
    assert told[2] in faults(of({"a.yaml": written}))[0][2]


def test_bytes_that_are_no_text_are_told_with_their_place() -> None:
    found = of({"a.yaml": b"apiVersion: v1\nkind: \xff\n", "b.yaml": "\ufeff" + WEB})
    assert faults(found) == [("file-not-utf8", "a.yaml:2:7", "byte 0xff is not UTF-8")]
    assert subjects(found) == ["ConfigMap web"]


def test_roots_are_rendered_and_what_they_stand_on_is_not_rendered_again() -> None:
    found = of({
        "app/kustomization.yaml": "resources: [../base]\nnamePrefix: a-\ncomponents: [../part]\n",
        "base/kustomization.yaml": "resources: [web.yaml]\n", "base/web.yaml": WEB,
        "part/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamespace: x\n",
        "alone/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamespace: x\n",
    })  # fmt: skip
    assert subjects(found) == ["ConfigMap x/a-web"]
    assert found.objects[0].root == "app"
    chain = ["app/kustomization.yaml:1:13", "base/kustomization.yaml:1:13"]
    assert [str(each) for each in found.objects[0].chain] == chain
    assert found.faults == ()


def test_only_what_lies_below_the_start_is_read_and_bases_beside_it_are_found() -> None:
    files: dict[str, str | bytes] = {
        "one/app/kustomization.yaml": "resources: [../../base]\n", "two/kustomization.yaml": "resources: [gone]\n",
        "base/kustomization.yaml": "resources: [web.yaml]\n", "base/web.yaml": WEB,
    }  # fmt: skip
    assert subjects(of(files, "one")) == ["ConfigMap web"]
    assert of(files, "one").faults == ()


def test_a_file_that_no_kustomization_holds_is_an_orphan() -> None:
    found = of({
        "app/kustomization.yaml": "resources: [web.yaml]\npatches: [{path: p.yaml}]\n", "app/web.yaml": WEB,
        "app/p.yaml": named("web"), "app/forgotten.yaml": named("forgotten"), "app/deep/too.yaml": named("too"),
        "other.yaml": named("other"),
    })  # fmt: skip
    assert [each.subject for each in found.orphans] == ["ConfigMap too", "ConfigMap forgotten"]
    assert subjects(found) == ["ConfigMap web", "ConfigMap other"]


FLUX = {
    "cluster/kustomization.yaml": "resources: [units.yaml, vars.yaml]\n",
    "cluster/vars.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: vars, namespace: flux-system}\n"
    "data: {DOMAIN: example.org, PORT: '80'}\n",
    "apps/web.yaml": WEB,
}


def flux(spec: str = "", **more: str | bytes) -> Repository:
    files = {f"{name.replace('__', '/')}.yaml": written for name, written in more.items()}
    return of({**FLUX, "cluster/units.yaml": unit("apps", "./apps", spec), **files})


def test_a_unit_of_flux_applies_every_manifest_below_its_path() -> None:
    found = flux(apps__sub__deep=named("deep"), apps__own__kustomization="resources: [a.yaml]\nnamePrefix: p-\n",
                 apps__own__a=named("own"))  # fmt: skip
    assert subjects(found)[2:] == ["ConfigMap deep", "ConfigMap p-own", "ConfigMap web"]
    assert {each.unit for each in found.objects[2:]} == {"flux-system/apps"}
    assert [(each.path, each.object.name) for each in found.units] == [("apps", "apps")]
    assert (found.faults, found.orphans) == ((), ())
    deep = next(each for each in found.objects if each.name == "deep")
    assert [str(each) for each in deep.chain] == [
        "cluster/kustomization.yaml:1:13", "cluster/units.yaml:5:9"
    ]  # fmt: skip


def test_a_unit_lays_its_own_wishes_over_the_kustomization() -> None:
    spec = (
        "  targetNamespace: there\n  namePrefix: f-\n  commonMetadata: {labels: {by: flux}}\n"
        "  images: [{name: nginx, newTag: '2'}]\n"
        "  patches:\n  - target: {kind: Pod}\n    patch: |\n      - {op: add, path: /spec/hostNetwork, value: true}\n"
    )
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: a, image: 'nginx:1'}]}\n"
    kustomization = (
        "resources: [pod.yaml, ../cluster/vars.yaml]\nnamespace: here\nimages: [{name: nginx, newName: caddy}]\n"
    )
    found = flux(spec, apps__pod=pod, apps__kustomization=kustomization)
    made = next(each for each in found.objects if each.kind == "Pod")
    assert made.subject == "Pod there/f-p"
    assert made.manifest["metadata"]["labels"] == {"by": "flux"}
    assert made.manifest["spec"] == {"containers": [{"name": "a", "image": "caddy:2"}], "hostNetwork": True}
    assert place(made.manifest, ("metadata", "namespace")) == Mark("cluster/units.yaml", 7, 20, 5)
    assert place(made.manifest, ("spec", "hostNetwork")).line == 14
    assert [each.subject for each in found.orphans] == ["ConfigMap web"]


def test_variables_come_from_the_repository() -> None:
    found = flux("  postBuild: {substituteFrom: [{kind: ConfigMap, name: vars}], substitute: {PORT: '8080'}}\n",
                 apps__b=named("b", more="data: {port: '${PORT}'}\n"))  # fmt: skip
    data = {each.name: each.manifest["data"] for each in found.objects if each.unit}
    assert data == {"web": {"host": "a.example.org"}, "b": {"port": 8080}}
    web = next(each for each in found.objects if each.name == "web")
    assert web.manifest["data"].at["host"] == Mark("apps/web.yaml", 4, 14, 13, via=Mark("cluster/vars.yaml", 4, 16, 11))
    assert found.faults == ()


def test_a_variable_that_nobody_sets_is_told_with_the_words_of_flux() -> None:
    found = flux("  postBuild: {substitute: {OTHER: x}}\n")
    fault = found.faults[0]
    assert (fault.rule, str(fault.mark), fault.subject, fault.path) == (
        "substitution-undefined", "apps/web.yaml:4:14", "ConfigMap web", "data.host"
    )  # fmt: skip
    assert "post build failed for 'ConfigMap/web': envsubst error" in fault.says
    assert "Kustomization flux-system/apps" in fault.hints[0]


def test_a_variable_in_a_long_text_is_told_at_its_own_line() -> None:
    """It was told at the `|` that begins the text, forty lines above."""
    long = "data:\n  a.conf: |\n    one\n\n    two = ${NOBODY}\n  b.conf: ${NOBODY:=x}\n"
    build = "  postBuild: {substitute: {A: b}}\n"
    found = of({"units.yaml": unit("apps", "./apps", build), "apps/a.yaml": named("a", more=long)})
    assert [each[:2] for each in faults(found)] == [("substitution-undefined", "apps/a.yaml:8:11")]


@pytest.mark.parametrize("source", ["{kind: ConfigMap, name: elsewhere}", "{kind: Secret, name: encrypted}"])
def test_a_variable_from_what_cannot_be_read_is_undecided(source: str) -> None:
    secret = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: encrypted, namespace: flux-system}\n"
        "stringData: {DOMAIN: 'ENC[AES256_GCM,data:abc,type:str]'}\nsops: {mac: x, version: 3.9.0}\n"
    )
    found = flux(f"  postBuild: {{substituteFrom: [{source}]}}\n", other__secret=secret)
    web = next(each for each in found.objects if each.name == "web")
    assert isinstance(web.manifest["data"]["host"], Undecided)
    assert found.faults == ()


def test_a_plain_secret_gives_its_values_decoded() -> None:
    coded = base64.b64encode(b"secret.org\n").decode()
    secret = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: flux-system}\n"
        f"data: {{DOMAIN: {coded}, BAD: '*'}}\n"
    )
    found = flux("  postBuild: {substituteFrom: [{kind: Secret, name: s}]}\n", other__secret=secret)
    assert next(each for each in found.objects if each.name == "web").manifest["data"]["host"] == "a.secret.org"


def test_two_sites_take_their_own_values() -> None:
    files: dict[str, str | bytes] = {"apps/web.yaml": WEB}
    for site in ("one", "two"):
        files[f"{site}/kustomization.yaml"] = "resources: [a.yaml]\n"
        files[f"{site}/a.yaml"] = (
            unit("apps", "apps", "  postBuild: {substituteFrom: [{kind: ConfigMap, name: site}]}\n") + "---\n"
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: site, namespace: flux-system}\n"
            f"data: {{DOMAIN: {site}}}\n"
        )
    hosts = [each.manifest["data"]["host"] for each in of(files).objects if each.name == "web"]
    assert hosts == ["a.one", "a.two"]


def test_an_object_may_forbid_substitution() -> None:
    web = WEB.replace("{name: web}", "{name: web, labels: {kustomize.toolkit.fluxcd.io/substitute: disabled}}")
    found = of(
        {
            **FLUX,
            "apps/web.yaml": web,
            "cluster/units.yaml": unit("apps", "apps", "  postBuild: {substitute: {A: b}}\n"),
        }
    )
    assert found.objects[-1].manifest["data"]["host"] == "a.${DOMAIN}"
    assert found.faults == ()


def test_flux_that_applies_itself_is_found() -> None:
    """`flux bootstrap` writes a unit whose path holds the unit."""
    found = of({
        "cluster/flux-system/sync.yaml": unit("flux-system", "./cluster"),
        "cluster/flux-system/kustomization.yaml": "resources: [sync.yaml]\n",
        "cluster/apps.yaml": unit("apps", "./apps"), "apps/web.yaml": WEB,
    })  # fmt: skip
    assert sorted({each.object.name for each in found.units}) == ["apps", "flux-system"]
    assert [each.unit for each in found.objects if each.name == "web"] == ["flux-system/apps"]
    assert (found.faults, found.orphans) == ((), ())


def test_a_unit_that_its_own_directory_patches_is_there_once_and_patched() -> None:
    """The way to change what `flux bootstrap` writes: as it is written it is never applied."""
    patch = "patches: [{target: {kind: Kustomization}, patch: '[{op: add, path: /spec/timeout, value: 3m}]'}]\n"
    found = of({
        "cluster/flux-system/sync.yaml": unit("flux-system", "./cluster"),
        "cluster/flux-system/kustomization.yaml": "resources: [sync.yaml]\n" + patch,
    })  # fmt: skip
    assert subjects(found) == ["Kustomization flux-system/flux-system"]
    assert [each.object.manifest["spec"].get("timeout") for each in found.units] == ["3m"]


def test_a_unit_reaches_what_it_applies_with_its_patches_wherever_its_own_file_stands() -> None:
    """apps/ai/ks.yaml comes before flux/ks.yaml by name, and is applied by it, with what its parent lays over it."""
    over = "  patches: [{target: {kind: Kustomization}, patch: '[{op: add, path: /spec/timeout, value: 3m}]'}]\n"
    found = of({
        "apps/ai/kustomization.yaml": "resources: [dex/ks.yaml]\nnamespace: ai\n",
        "apps/ai/dex/ks.yaml": unit("dex", "./apps/ai/dex/app").replace(", namespace: flux-system}\nspec", "}\nspec"),
        "apps/ai/dex/app/web.yaml": WEB,
        "flux/ks.yaml": unit("apps", "./apps", over),
    })  # fmt: skip
    assert [(each.object.subject, each.object.manifest["spec"].get("timeout")) for each in found.units] == [
        ("Kustomization flux-system/apps", None),
        ("Kustomization ai/dex", "3m"),
    ]
    assert [each.subject for each in found.objects].count("ConfigMap web") == 1


def test_units_that_apply_each_other_end() -> None:
    found = of({"a/u.yaml": unit("b", "b"), "b/u.yaml": unit("a", "a"), "c.yaml": unit("a", "a")})
    assert {each.object.name for each in found.units} == {"a", "b"}
    assert found.faults == ()


def test_a_path_that_is_not_there_is_told_where_others_of_the_source_are() -> None:
    more = "---\n" + unit("gone", "./app") + "---\n" + unit("foreign", "./deploy").replace(
        "name: flux-system}\n", "name: podinfo}\n")  # fmt: skip
    found = of({**FLUX, "cluster/units.yaml": unit("apps", "./apps") + more})
    assert faults(found) == [("unit-path-missing", "cluster/units.yaml:12:9", "there is no directory `./app` to apply")]
    assert [each.path for each in found.units] == ["apps", "", ""]


def test_the_root_of_another_source_is_not_this_repository() -> None:
    """A sample of Flux applies `./` of an OCI artifact: all files here counted as forgotten by it."""
    other = unit("oci", "./").replace("kind: GitRepository, name: flux-system", "kind: OCIRepository, name: oci")
    found = of({"samples/oci.yaml": other, "rbac/kustomization.yaml": "resources: [a.yaml]\n", "rbac/a.yaml": WEB})
    assert (found.orphans, found.faults) == ((), ())
    assert [each.path for each in found.units] == [""]
    assert [each.path for each in of({"u.yaml": unit("all", "./"), "a.yaml": WEB}).units] == ["."]


def test_what_sops_encrypted_is_known_and_nothing_more() -> None:
    written = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: 'ENC[AES256_GCM,data:x,type:str]', b: Yg==}\n"
        "sops: {mac: 'ENC[x]', lastmodified: '2026', version: 3.9.0}\n"
    )
    held = {"kustomization.yaml": "resources: [s.yaml]\nnamespace: other\n"}
    for more in ({}, held):
        manifest = of({"s.yaml": written, **more}).objects[0].manifest
        assert "sops" not in manifest
        assert isinstance(manifest["data"]["a"], Undecided)
        assert not isinstance(manifest["data"]["b"], Undecided)


def test_what_is_wrong_with_a_root_is_told_and_its_objects_are_read_as_they_are() -> None:
    found = of({"kustomization.yaml": "resources: [a.yaml, b.yaml, c.yaml]\nnamespace: x\n", "b.yaml": named("b")})
    assert faults(found) == [
        ("kustomization", "kustomization.yaml:1:13", "there is no `a.yaml`"),
        ("kustomization", "kustomization.yaml:1:29", "there is no `c.yaml`"),
    ]
    assert [(each.subject, each.root) for each in found.objects] == [("ConfigMap x/b", "")]
    assert found.orphans == ()


def test_what_a_broken_unit_holds_is_filled_in_all_the_same() -> None:
    """`replicas: ${REPLICAS}` of a unit with a file too few was taken for a text where a number belongs."""
    build = "  postBuild: {substitute: {DOMAIN: lab.example}}\n"
    found = of({
        "units.yaml": unit("apps", "./apps", build), "apps/kustomization.yaml": "resources: [web.yaml, gone.yaml]\n",
        "apps/web.yaml": WEB,
    })  # fmt: skip
    [web] = [each for each in found.objects if each.name == "web"]
    assert web.manifest["data"] == {"host": "a.lab.example"}
    assert web.unit == "flux-system/apps"


def test_a_syntax_error_is_told_once_however_many_hold_the_file() -> None:
    found = of({
        "a/kustomization.yaml": "resources: [../c]\n", "b/kustomization.yaml": "resources: [../c]\n",
        "c/kustomization.yaml": "resources: [x.yaml]\n", "c/x.yaml": named("x") + "data: [\n",
    })  # fmt: skip
    assert [each[:2] for each in faults(found)] == [("yaml", "c/x.yaml:5:1")]


OUTSIDE = {"kustomization.yaml": "resources: [web.yaml]\ntransformers: [t.yaml]\n", "web.yaml": WEB, "t.yaml": "a: b\n"}


def test_what_nobody_renders_is_undecided_and_judged_as_it_is_written() -> None:
    found = of(dict(OUTSIDE))
    assert [(each.rule, each.severity, str(each.mark)) for each in found.faults] == [
        ("kustomization-not-rendered", Severity.UNDECIDED, "kustomization.yaml:2:1")
    ]
    assert subjects(found) == ["ConfigMap web"]


def test_kubectl_renders_what_castle_does_not_and_places_are_those_of_objects() -> None:
    asked = []

    def kubectl(directory: str) -> str:
        asked.append(directory)
        return WEB + "added: 1\n---\n" + named("new")

    found = of(dict(OUTSIDE), ports=Ports(kubectl=kubectl))
    assert asked == [""]
    assert [(each.rule, each.severity) for each in found.faults] == [("kustomization-by-kubectl", Severity.NOTE)]
    assert [(each.name, str(each.mark)) for each in found.objects] == [
        ("web", "web.yaml:1:1"), ("new", "kustomization.yaml:2:1")
    ]  # fmt: skip
    assert place(found.objects[0].manifest, ("data", "host")) == Mark("web.yaml", 1, 1)


def test_kubectl_that_refuses_is_heard() -> None:
    def kubectl(_: str) -> str:
        raise PortFailed("error: no\n")

    found = of(dict(OUTSIDE), ports=Ports(kubectl=kubectl))
    assert [(each.severity, each.says) for each in found.faults] == [(Severity.ERROR, "error: no")]


RELEASE = """apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web, namespace: apps}
spec:
  chart: {spec: {chart: ./charts/web, sourceRef: {kind: GitRepository, name: flux-system}}}
  values: {replicas: 2}
"""
CHART = {"charts/web/Chart.yaml": "apiVersion: v2\nname: web\n", "charts/web/templates/a.yaml": "{{ x }}"}


def test_a_chart_that_was_not_rendered_is_told_apart() -> None:
    found = of({"r.yaml": RELEASE, **CHART})
    assert [each.subject for each in found.charts] == ["HelmRelease apps/web"]
    assert [(each.rule, each.severity, str(each.mark)) for each in found.unseen] == [
        ("chart-not-rendered", Severity.UNDECIDED, "r.yaml:5:10")
    ]
    assert found.faults == ()


def test_a_chart_of_the_repository_is_rendered_by_helm() -> None:
    asked: list[Chart] = []

    def helm(chart: Chart) -> str:
        asked.append(chart)
        return named("made")

    found = of({"r.yaml": RELEASE, **CHART}, ports=Ports(helm=helm))
    assert asked == [Chart("charts/web", "web", "apps", asked[0].values)]
    assert asked[0].values == {"replicas": 2}
    assert [(each.subject, str(each.mark)) for each in found.objects][1:] == [("ConfigMap made", "r.yaml:1:1")]
    assert (found.charts, found.unseen) == ((), ())


def test_charts_of_a_kustomization_are_charts() -> None:
    found = of({"kustomization.yaml": "helmCharts: [{name: traefik, repo: 'https://a.b', namespace: edge}]\n"})
    assert [(each.name, each.namespace) for each in found.charts] == [("traefik", "edge")]


def test_single_files_hold_objects_and_nothing_else() -> None:
    files = Memory({"a.yaml": WEB + "---\nx: y\n", "b.yaml": "apiVersion: v1\nkind: List\nitems: []\n"})
    found = read_files(files, ["a.yaml", "b.yaml", "gone.yaml"])
    assert subjects(found) == ["ConfigMap web"]
    assert [each[:2] for each in faults(found)] == [("yaml", "a.yaml:6:1"), ("file-unreadable", "gone.yaml")]


def test_a_unit_in_a_plain_file_was_there_twice() -> None:
    found = of({"clusters/units.yaml": unit("apps", "./apps"), "apps/a.yaml": named("a")})
    assert sorted(subjects(found)) == ["ConfigMap a", "Kustomization flux-system/apps"]
    assert [each.path for each in found.units] == ["apps"]


def test_an_object_whose_metadata_is_no_mapping_breaks_its_kustomization_and_nothing_else() -> None:
    files: dict[str, str | bytes] = {
        "kustomization.yaml": "namespace: n\nresources: [a.yaml]\n",
        "a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: false\n",
    }
    assert [rule for rule, *_ in faults(of(files))] == ["kustomization"]

"""The pure parts: addresses, flags, components, what a unit says of itself, a plan."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ephemeral_castle.drivers.flux import components, flags, graph, sync, units
from ephemeral_castle.drivers.flux.address import Said, opener, reached
from ephemeral_castle.drivers.flux.graph import Seen
from ephemeral_castle.drivers.flux.options import FluxOptions
from ephemeral_castle.drivers.flux.units import Goal, Ready, Stage, Unit
from ephemeral_castle.model.castle import Reach, Repository
from ephemeral_castle.spi.options import read_options
from ephemeral_castle.spi.world import File
from tests.unit.drivers.flux.samples import FILES, unit
from tests.unit.drivers.flux.samples import components as whole

SHA = "5" * 40
GOAL = Goal(("GitRepository", "flux-system/flux-system"), SHA)
REACH = {"git": Reach(3001, "127.0.0.1", 3000)}


@pytest.mark.parametrize(
    ("url", "given", "found"),
    [
        ("https://git.example.org/castle.git", None, "https://git.example.org/castle.git"),
        ("https://robot@git.example.org:8443/castle.git", None, "https://git.example.org:8443/castle.git"),
        ("git@git.example.org:home/castle.git", None, "ssh://git@git.example.org/home/castle.git"),
        ("ssh://git@git.example.org:2222/castle", None, "ssh://git@git.example.org:2222/castle"),
        ("/srv/castle.git", "http://git/castle.git", "http://10.0.0.1:3001/castle.git"),
        ("/srv/castle.git", "ssh://git@git:22/castle.git", "ssh://git@10.0.0.1:22/castle.git"),
        ("/srv/castle.git", "https://[fd00::7]:8443/c.git", "https://[fd00::7]:8443/c.git"),
        ("/srv/castle.git", "ssh://git@[fd00::7]/c.git", "ssh://git@[fd00::7]/c.git"),
        ("https://[fd00:0:0:0:0:0:0:7]:8443/c.git", None, "https://[fd00:0:0:0:0:0:0:7]:8443/c.git"),
        ("/srv/castle.git", "https://other.example.org/castle.git", "https://other.example.org/castle.git"),
    ],
)
def test_the_cluster_reaches_the_repository_at(url: str, given: str | None, found: str) -> None:
    assert reached(Repository(url), given, REACH, lambda: "10.0.0.1").url == found


def test_the_key_goes_with_the_host_that_must_answer() -> None:
    repository = Repository("git@git.example.org:castle.git", key="git/key", host_keys=("ssh-ed25519 AAAA",))
    assert opener(repository, "ssh://git@git.example.org/castle.git") == {
        "identity": "git/key",
        "known_hosts": Said("git.example.org ssh-ed25519 AAAA\n"),
    }
    ported = opener(repository, "ssh://git@10.0.0.1:3001/castle.git")
    assert ported["known_hosts"] == Said("[10.0.0.1]:3001 ssh-ed25519 AAAA\n")
    assert opener(repository, "http://10.0.0.1:3001/castle.git") == {}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"path": "clusters/lab", "secrets": {"age": {"k": "s"}}}, "NAMESPACE/NAME"),
        ({"path": "clusters/lab", "repository_url": "git@host:x"}, "Flux reads"),
        ({"path": "clusters/lab", "repository_url": "https://u:p@host/x"}, "password"),
        ({"path": "../lab"}, "relative to its root"),
        ({"path": ""}, ""),
        ({}, ""),
        ({"path": "x", "secrets": {"a/b": {"k": "ghp_abc"}}}, "name of a secret"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(written: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as error:
        read_options(FluxOptions, written)
    assert said in str(error.value)


def test_flags_are_read_in_all_their_forms_and_set_once() -> None:
    assert flags.value(["--concurrent=4", "--concurrent", "9"], "concurrent") == "9"
    assert (flags.requeue(["--requeue-dependency=1m30s"]), flags.requeue([])) == (90.0, 30.0)
    args = ["--concurrent", "4", "--x", "--requeue-dependency=1m"]
    spec = {"template": {"spec": {"containers": [{"args": args}]}}}
    deployment: dict[str, Any] = {"metadata": {"name": "kustomize-controller"}, "spec": spec}
    quick = flags.quickened(deployment, 12)
    assert flags.arguments(quick) == ["--x", "--concurrent=12", "--requeue-dependency=5s"]
    assert flags.quickened(quick, 12) is quick
    assert flags.slow(quick, 12) == ""
    assert flags.arguments(deployment)[0] == "--concurrent"
    other = {**deployment, "metadata": {"name": "source-controller"}}
    assert flags.quickened(other, 12) is other


def files(**texts: str) -> dict[str, File]:
    return {path.replace("__", "."): File(path, text.encode()) for path, text in texts.items()}


def test_components_are_read_as_kustomization_yaml_names_them() -> None:
    found = components.read(
        {
            **files(extra__yaml="kind: broken"),
            "kustomization.yaml": File("", b"resources: [gotk-components.yaml, gotk-sync.yaml, more]\npatches: [{}]\n"),
            "gotk-components.yaml": File("", whole().encode()),
            "gotk-sync.yaml": File("", b"apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\n"
                                       b"metadata: {name: flux-system, namespace: flux-system}\nspec: {url: u}\n"),
            "more/a.yaml": File("", b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: flux-system}\n"),
        },
        "flux",
    )  # fmt: skip
    assert found.wrong == []
    assert len(found.objects) == 7
    assert [each["metadata"]["name"] for each in found.deployments] == ["source-controller", "kustomize-controller"]
    assert (found.of_sync("GitRepository", "flux-system", "flux-system") or {})["spec"] == {"url": "u"}
    assert found.of_sync("GitRepository", "flux-system", "other") is None
    assert len(found.told) == 1
    assert found.told[0].startswith("flux/kustomization.yaml: castle applies the files without `patches`; Flux does")


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"kustomization__yaml": "resources: [https://x.example.org/a.yaml]"}, "is no file or directory below"),
        ({"kustomization__yaml": "resources: [../a.yaml]"}, "is no file or directory below"),
        ({"a__yaml": whole(), "b__yaml": whole()}, "flux/b.yaml:1: Namespace flux-system stands here a second time"),
        ({"a__yaml": "kind: x"}, "flux/a.yaml:1:1: `apiVersion` and `metadata.name`"),
        ({"a__txt": ""}, "flux: it has no CRD `kustomizations.kustomize.toolkit.fluxcd.io`"),
    ],
)
def test_components_that_cannot_be_used_are_told_with_their_place(texts: dict[str, str], said: str) -> None:
    assert said in "; ".join(components.read(files(**texts), "flux").wrong)


def test_what_the_repository_itself_says_of_the_sync_is_kept() -> None:
    options = FluxOptions(path="clusters/lab")
    wanted = sync.Wanted("https://git.example.org/x", SHA, "refs/tags/v1", "git")
    base: dict[str, Any] = {
        "metadata": {"name": "flux-system"},
        "spec": {"url": "old", "interval": "5m", "ref": {"branch": "main"}},
    }
    made = sync.repository(options, wanted, base)
    assert made["spec"] == {
        "url": "https://git.example.org/x", "interval": "5m", "ref": {"tag": "v1"}, "suspend": False,
        "secretRef": {"name": "git"},
    }  # fmt: skip
    assert base["spec"]["url"] == "old"
    assert sync.revision_of(wanted) == f"v1@sha1:{SHA}"
    assert sync.ref_of(sync.Wanted("u", SHA)) == {"commit": SHA}
    own = {"metadata": {"name": "flux-system"}, "spec": {"path": "./clusters/home", "prune": True}}
    assert sync.root(options, own)["spec"]["prune"] is True
    assert sync.elsewhere(options, wanted, base, own) == [
        "the repository's own GitRepository names old: Flux will turn to that, away from https://git.example.org/x",
        "the repository's own root Kustomization has the path ./clusters/home, and the option says clusters/lab",
    ]


def test_units_in_a_tree_are_counted() -> None:
    found = {path: File(path, f"\n{text}".encode()) for path, text in FILES.items()}
    assert components.units_in(found) == 2
    json = b'{"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {}}'
    assert components.units_in({"a.yaml": File("a.yaml", json), "b.txt": File("b.txt", json)}) == 1
    other = b"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
    assert components.units_in({"a.yaml": File("a.yaml", other)}) == 0


def seen_unit(**more: Any) -> Unit:
    standard: dict[str, Any] = {
        "name": "flux-system/a", "source": GOAL.source, "generation": 2, "observed": 2, "applied": f"main@sha1:{SHA}",
        "attempted": f"main@sha1:{SHA}", "ready": Ready("True", "ReconciliationSucceeded", "", 2),
    }  # fmt: skip
    return Unit(**{**standard, **more})


def failed(reason: str, message: str = "m", generation: int = 2) -> Ready:
    return Ready("False", reason, message, generation)


@pytest.mark.parametrize(
    ("more", "stage"),
    [
        ({}, Stage.READY),
        ({"observed": 1}, Stage.RUNNING),
        ({"applied": "main@sha1:" + "9" * 40}, Stage.RUNNING),
        ({"applied": f"main/{SHA}"}, Stage.READY),
        ({"suspended": True}, Stage.READY),
        ({"suspended": True, "applied": ""}, Stage.SUSPENDED),
        ({"needs": ("flux-system/b",), "ready": failed("DependencyNotReady")}, Stage.WAITING),
        ({"ready": failed("DependencyNotReady")}, Stage.WAITING),
        ({"ready": failed("ArtifactFailed", "Source artifact not found, retrying in 30s")}, Stage.HELD),
        ({"ready": failed("ArtifactFailed", "kustomization path not found: stat x")}, Stage.FAILED),
        ({"ready": failed("BuildFailed", "substitute from 'ConfigMap/x' error: \"x\" not found")}, Stage.HELD),
        ({"ready": failed("BuildFailed", "kustomize build failed")}, Stage.FAILED),
        ({"ready": failed("BuildFailed"), "attempted": "main@sha1:" + "9" * 40}, Stage.RUNNING),
        ({"ready": failed("BuildFailed", generation=1)}, Stage.RUNNING),
        ({"ready": Ready("Unknown", "Progressing", "", 2), "doing": "Building manifests"}, Stage.RUNNING),
        ({"ready": Ready("Unknown", "Progressing", "", 2), "doing": "Running health checks for x"}, Stage.CHECKING),
        ({"stalled": "no such field", "ready": failed("InvalidCELExpression")}, Stage.STALLED),
        ({"source": ("OCIRepository", "flux-system/x"), "applied": "v1@sha256:7"}, Stage.READY),
    ],
)
def test_what_a_unit_says_of_itself(more: dict[str, Any], stage: Stage) -> None:
    unready = {"applied": ""} if "ready" in more else {}
    assert units.stage(seen_unit(**{**unready, **more}), GOAL, {})[0] is stage


def test_a_unit_is_read_with_the_namespaces_that_its_references_leave_out() -> None:
    manifest = unit("a", "b", healthChecks=[])
    manifest["spec"]["dependsOn"].append({"name": "c", "namespace": "other", "readyExpr": "true"})
    manifest["metadata"]["labels"] = {"kustomize.toolkit.fluxcd.io/name": "root"}
    entries = [
        {"id": "flux-system_x_kustomize.toolkit.fluxcd.io_Kustomization", "v": "v1"},
        {"id": "data_db_postgres-operator.crunchydata.com_PostgresCluster", "v": "v1beta1"},
        {"id": "_system__admin_rbac.authorization.k8s.io_ClusterRole", "v": "v1"},
    ]
    manifest["status"] = {"inventory": {"entries": entries}}
    found = units.read(manifest)
    assert found.needs == ("flux-system/b", "other/c")
    assert (found.custom, found.parent) == (frozenset({"other/c"}), "flux-system/root")
    assert found.children == frozenset({"flux-system/x"})
    assert found.source == GOAL.source


def test_a_need_of_another_installation_is_waited_for() -> None:
    here = seen_unit(needs=("flux-system/theirs",), ready=failed("DependencyNotReady"), applied="")
    theirs = seen_unit(name="flux-system/theirs", applied="")
    seen = {"flux-system/a": Seen(here, Stage.WAITING, "waits for flux-system/theirs")}
    assert graph.frozen(seen, {"flux-system/a": here, "flux-system/theirs": theirs}) == ""
    stopped = seen_unit(name="flux-system/theirs", applied="", suspended=True)
    assert "not of this castle" in graph.frozen(seen, {"flux-system/a": here, "flux-system/theirs": stopped})

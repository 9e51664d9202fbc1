"""A raise from nothing: Flux is installed, told what to apply, and followed to the end."""

from __future__ import annotations

import base64
import dataclasses
from types import SimpleNamespace

import pytest

from ephemeral_castle.drivers.flux import flags
from ephemeral_castle.errors import Permanent, Refused
from ephemeral_castle.model.castle import Reach, Repository, Verb
from ephemeral_castle.model.step import State
from ephemeral_castle.spi.kubernetes import Ref
from ephemeral_castle.world.simulated import SimulatedWorld
from tests.unit.cluster_bed import ID
from tests.unit.drivers.flux.bed import REACHING, SITE, URL, Bed
from tests.unit.drivers.flux.samples import FILES, QUICK, components, unit

SOURCE = Ref("source.toolkit.fluxcd.io/v1", "GitRepository", "flux-system", "flux-system")
ROOT = Ref("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "flux-system", "flux-system")
CONTROLLER = Ref("apps/v1", "Deployment", "kustomize-controller", "flux-system")


def test_from_nothing_to_every_unit_ready() -> None:
    bed = Bed()
    bed.play(bed.all)
    facts = bed.known["walls.units"]
    assert facts["revision"] == f"main@sha1:{bed.sha}"
    assert {name: each["stage"] for name, each in facts["units"].items()} == {
        "flux-system/flux-system": "ready",
        "flux-system/infra": "ready",
        "flux-system/apps": "ready",
    }
    assert facts["units"]["flux-system/apps"]["needs"] == ["flux-system/infra"]
    assert bed.flux.passes == ["flux-system", "infra", "apps"]
    assert bed.known["walls.controllers"]["controllers"] == {
        "source-controller": {"image": "ghcr.io/fluxcd/source-controller:v1", "title": "a stand-in"},
        "kustomize-controller": {"image": "ghcr.io/fluxcd/kustomize-controller:v1", "title": "kustomize-controller"},
    }
    assert bed.repository.kept == [(bed.sha, "")]


def test_operators_that_the_repository_brought_are_known_by_their_titles() -> None:
    bed = Bed()
    bed.play(bed.all)
    for name, notes in (("ingress", {"org.opencontainers.image.title": "stand-in for ingress"}), ("blog", {})):
        bed.api.objects[Ref("apps/v1", "Deployment", name, "apps")] = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": "apps", "annotations": notes},
            "spec": {"template": {"metadata": {}, "spec": {"containers": [{"image": f"example.org/{name}:1"}]}}},
        }
    bed.play(lambda: bed.step("units"))
    found = bed.known["walls.units"]["controllers"]
    assert found["ingress"] == {"image": "example.org/ingress:1", "title": "stand-in for ingress"}
    assert "blog" not in found


def test_the_source_is_held_at_the_commit_and_let_loose_at_the_end() -> None:
    bed = Bed()
    bed.play(lambda: bed.all("loose"))
    assert bed.api.objects[SOURCE]["spec"] == {
        "url": URL,
        "ref": {"branch": "main", "commit": bed.sha},
        "suspend": False,
        "interval": "60s",
    }
    bed.play(lambda: bed.step("loose"))
    assert bed.api.objects[SOURCE]["spec"]["ref"] == {"branch": "main"}
    root = bed.api.objects[ROOT]["spec"]
    assert (root["path"], root["prune"], root["sourceRef"]) == (
        "./clusters/lab",
        True,
        {"kind": "GitRepository", "name": "flux-system"},
    )


def test_everything_carries_the_mark_and_the_controllers_are_quickened() -> None:
    bed = Bed()
    bed.play(lambda: bed.all("first"))
    for ref, each in bed.api.objects.items():
        if ref.name not in ("default", "kube-system") and ref.kind != "Pod":
            assert each["metadata"]["labels"]["castle.id"] == ID, ref
    args = flags.arguments(bed.api.objects[CONTROLLER])
    assert args == ["--log-level=info", "--concurrent=20", "--requeue-dependency=5s"]
    assert bed.said == []


def test_flags_that_the_root_would_set_back_are_told_instead() -> None:
    files = {path.replace("flux-system/", "clusters/lab/flux-system/"): text for path, text in FILES.items()}
    bed = Bed(files=files, components=None)
    bed.play(lambda: bed.all("first"))
    assert flags.arguments(bed.api.objects[CONTROLLER]) == ["--log-level=info"]
    assert "kustomize-controller should have --concurrent=20" in bed.said[0]
    assert "--requeue-dependency=5s (a unit looks again after 30 s)" in bed.said[0]
    quick = {path: components(QUICK) if "gotk" in path else text for path, text in files.items()}
    bed = Bed(files=quick, components=None)
    bed.play(bed.all)
    assert bed.said == []
    assert bed.api.objects[ROOT]["spec"]["prune"] is False  # it would prune Flux itself


def test_a_second_raise_changes_nothing() -> None:
    bed = Bed()
    bed.play(bed.all)
    version = max(int(each["metadata"]["resourceVersion"]) for each in bed.api.objects.values())

    async def again() -> None:
        for action in ("components", "first", "controllers", "endpoints", "units", "loose"):
            seen = await bed.driver.observe(bed.the(action), bed.ctx)
            assert seen.state is State.REACHED, (action, seen)

    bed.play(again)
    assert version == max(int(each["metadata"]["resourceVersion"]) for each in bed.api.objects.values())


def test_a_new_commit_goes_through_every_unit() -> None:
    bed = Bed()
    bed.play(bed.all)
    bed.flux.passes.clear()
    new = bed.repository.commit({**FILES, "clusters/lab/apps.yaml": "kind: x\n"})
    bed.known.clear()
    bed.play(bed.all)
    assert bed.known["walls.units"]["revision"] == f"main@sha1:{new}"
    assert sorted(set(bed.flux.passes)) == ["apps", "flux-system", "infra"]


def test_the_first_secrets_are_there_before_flux_is_told_anything() -> None:
    bed = Bed(
        repository=Repository("https://robot@git.example.org/castle.git", token="git/token"),
        secrets={"external-secrets/vault": {"token": "vault/token"}, "flux-system/age": {"age.agekey": "sops/age"}},
        treasury_ca=["data/treasury"],
    )
    bed.world.access = dataclasses.replace(bed.world.access, ca="-----CA-----")
    for name in ("git/token", "vault/token", "sops/age"):
        bed.secret(name, f"value of {name}")
    bed.play(bed.all)

    def data(space: str, name: str) -> dict[str, str]:
        found = bed.api.objects[Ref("v1", "Secret", name, space)]["data"]
        return {key: base64.b64decode(value).decode() for key, value in found.items()}

    assert data("flux-system", "flux-system") == {"username": "robot", "password": "value of git/token"}
    assert data("external-secrets", "vault") == {"token": "value of vault/token"}
    assert data("flux-system", "age") == {"age.agekey": "value of sops/age"}
    assert data("data", "treasury") == {"ca.crt": "-----CA-----"}
    assert bed.api.objects[SOURCE]["spec"]["secretRef"] == {"name": "flux-system"}
    order = [what for name, what in bed.api.calls if name == "apply"]
    assert order.index("Secret flux-system/flux-system") < order.index(str(SOURCE)) < order.index(str(ROOT))
    assert "value of" not in repr([bed.known, bed.said, bed.lines])


def test_a_secret_that_changed_is_put_anew() -> None:
    bed = Bed(secrets={"flux-system/age": {"age.agekey": "sops/age"}})
    bed.secret("sops/age", "old")
    bed.play(lambda: bed.all("controllers"))
    bed.secret("sops/age", "new")

    async def look() -> str:
        return (await bed.driver.observe(bed.the("first"), bed.ctx)).detail

    assert bed.play(look) == "missing, or with another value: flux-system/age"


def test_a_missing_secret_is_named_with_the_command_that_stores_it() -> None:
    bed = Bed(secrets={"flux-system/age": {"age.agekey": "sops/age"}})
    with pytest.raises(Permanent) as error:
        bed.play(bed.all)
    assert error.value.message == "the secret `sops/age` is missing"
    assert error.value.hints == ("castle secret put sops/age", "castle resume")


def test_a_secret_of_the_layers_own_is_made_up_and_stored_first() -> None:
    bed = Bed(secrets={"blog/token": {"token": "walls/token"}})
    bed.play(bed.all)
    stored = bed.secrets.known["walls/token"].reveal()
    found = bed.api.objects[Ref("v1", "Secret", "token", "blog")]["data"]["token"]
    assert base64.b64decode(found).decode() == stored


def test_a_secret_that_another_layer_makes_in_this_run_is_waited_for() -> None:
    bed = Bed(secrets={"blog/database": {"password": "database/user/app"}})

    async def work() -> None:
        await bed.all("first")
        seen = await bed.driver.observe(bed.the("first"), bed.ctx)
        assert seen.detail == "missing, or with another value: blog/database"
        bed.api.later(30.0, lambda: bed.secret("database/user/app", "made"))
        await bed.step("first")

    bed.play(work)
    assert any("layer `database` is still to make the secret `database/user/app`" in each for each in bed.lines)
    bed = Bed(secrets={"blog/database": {"password": "database/user/app"}})
    with pytest.raises(Permanent, match="`database/user/app` is missing"):
        bed.play(bed.all)


def test_what_a_certificate_layer_renews_is_waited_for() -> None:
    bed = Bed(secrets={"gate/tls": {"tls.crt": "certificate/certificate/chain"}})
    assert "certificate:certificate?" in bed.the("first").needs
    assert "open:database?" in bed.the("units").needs
    assert "open:cluster?" not in bed.the("units").needs


def test_values_and_addresses_are_told_where_flux_substitutes_from() -> None:
    bed = Bed()
    bed.flux.configs_missing["apps"] = "castle-database"
    bed.play(bed.all)
    found = {each["metadata"]["name"]: each for each in bed.api.all("ConfigMap")}
    assert found["castle-database"]["data"] == {
        "CASTLE_DATABASE_HOST": "10.0.0.31",
        "CASTLE_DATABASE_PORT": "30432",
    }
    assert found["castle-database"]["metadata"]["labels"]["reconcile.fluxcd.io/watch"] == "Enabled"
    assert found["castle-values"]["data"]["CASTLE_LIFE"] == "2"
    assert "castle-cluster" not in found  # it has no address


class _Networked(SimulatedWorld):
    """With a gateway."""

    enclosure = SimpleNamespace(gateway="10.89.77.1")  # type: ignore[assignment]


def test_a_name_of_reach_may_stand_for_the_host_and_pods_are_told_all_of_them() -> None:
    site = dataclasses.replace(REACHING, reach={**REACHING.reach, "the-store": Reach(8200, "127.0.0.1", 18200)})
    bed = Bed(repository_url="http://git/castle.git", repository=Repository("/srv/castle.git"), site=site)
    bed.world = _Networked(bed.clock, bed.world.objects, source=bed.repository)
    bed.play(bed.all)
    source = bed.api.objects[Ref("source.toolkit.fluxcd.io/v1", "GitRepository", "flux-system", "flux-system")]
    assert source["spec"]["url"] == "http://10.89.77.1:3000/castle.git"
    values = bed.api.objects[Ref("v1", "ConfigMap", "castle-values", "flux-system")]["data"]
    assert (values["REACH_GIT"], values["REACH_THE_STORE"]) == ("10.89.77.1:3000", "10.89.77.1:8200")


def test_certificate_and_key_are_a_secret_of_their_kind_and_what_others_add_is_theirs() -> None:
    pair = {"tls.crt": "certificate/certificate/chain", "tls.key": "certificate/certificate/key"}
    bed = Bed(secrets={"gate/tls": pair, "gate/other": {"tls.crt": "certificate/certificate/chain"}})
    for name in pair.values():
        bed.secret(name, f"value of {name}")
    made = Ref("v1", "Secret", "tls", "gate")

    async def work() -> None:
        await bed.all("first")
        await bed.step("first")
        assert bed.api.objects[made]["type"] == "kubernetes.io/tls"
        assert bed.api.objects[Ref("v1", "Secret", "other", "gate")]["type"] == "Opaque"
        await bed.api.patch(made, {"data": {"ca.crt": "eA=="}})
        assert (await bed.driver.observe(bed.the("first"), bed.ctx)).state is State.REACHED

    bed.play(work)


@pytest.mark.parametrize(
    ("url", "given", "said"),
    [
        ("/srv/castle.git", None, "`/srv/castle.git` lies on this computer"),
        (URL, "http://git.example.org/castle.git", "`http://` is neither encrypted nor signed"),
    ],
)
def test_an_address_that_the_cluster_cannot_use_is_refused_first(url: str, given: str | None, said: str) -> None:
    bed = Bed(repository_url=given, repository=Repository(url))
    with pytest.raises(Refused) as error:
        bed.play(bed.all)
    assert f"castle.yaml:9:3: {said}" in error.value.why
    assert bed.api.calls == []


def test_a_mistake_in_the_components_is_told_with_its_place_before_anything_is_touched() -> None:
    broken = components().replace("metadata: {name: flux-system}", "metadata: {name: flux-system}\nkind: Namespace")
    bed = Bed(files={**FILES, "flux-system/gotk-components.yaml": broken})
    with pytest.raises(Refused) as error:
        bed.play(bed.all)
    assert "flux-system/gotk-components.yaml:4:1: `kind` stands here twice" in error.value.why
    assert (bed.api.calls, bed.repository.kept) == ([], [])


def test_directories_that_are_not_there_are_named_with_their_option() -> None:
    bed = Bed(path="clusters/home", components="flux")
    with pytest.raises(Refused) as error:
        bed.play(bed.all)
    assert "`path` names what the root Kustomization applies" in error.value.why
    assert "`components` names the directory of CRDs and controllers" in error.value.why


def test_an_installation_of_somebody_else_is_left_as_it_is_and_its_flags_are_told() -> None:
    bed = Bed()

    async def before() -> None:
        other = Bed(trees={})
        other.api = bed.api
        await other.all("first")
        await bed.clock.sleep(2)
        for each in bed.api.all("Deployment"):
            meta = {"labels": {"castle.id": None, "castle.life": None, "castle.layer": None}}
            await bed.api.patch(Ref.of(each), {"metadata": meta, "spec": {"replicas": 1}})
        args = [*flags.arguments(bed.api.objects[CONTROLLER])][:1]
        spec = bed.api.objects[CONTROLLER]["spec"]
        spec["template"]["spec"]["containers"][0]["args"] = args
        bed.api.calls.clear()

    bed.play(before)
    bed.play(bed.all)
    assert bed.known["walls.components"] == {"existing": True}
    assert not [what for name, what in bed.api.calls if name == "apply" and what.startswith("Deployment")]
    assert any("kustomize-controller should have --concurrent=20" in each for each in bed.said)


def test_the_repository_of_somebody_else_under_our_name_is_not_taken() -> None:
    bed = Bed()

    async def before() -> State:
        await bed.all("root")
        theirs = unit("x")
        theirs |= {"apiVersion": SOURCE.api, "kind": SOURCE.kind}
        theirs["metadata"] = {"name": SOURCE.name, "namespace": SOURCE.namespace}
        theirs["spec"] = {"url": "https://elsewhere.example/x.git", "ref": {"branch": "main"}}
        bed.api.put(theirs)
        return (await bed.driver.observe(bed.the("root"), bed.ctx)).state

    assert bed.play(before) is State.FOREIGN


def test_a_drill_keeps_nothing_and_comes_near_no_cluster_that_castle_did_not_raise() -> None:
    bed = Bed()
    bed.verb(Verb.DRILL)
    bed.play(bed.all)
    assert bed.repository.kept == []
    existing = dataclasses.replace(SITE, layers=SITE.layers[1:])
    bed = Bed(site=existing)
    bed.verb(Verb.DRILL)
    assert bed.steps() == []

"""Before the cut Flux rests, and goes on exactly where castle had put it to rest."""

from __future__ import annotations

import pytest

from ephemeral_castle.errors import NotFound, Refused, Transient, Unreachable
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Effect, Phase, State
from ephemeral_castle.spi.kubernetes import MANAGER, Manifest, Ref
from tests.unit.cluster_bed import ID
from tests.unit.drivers.flux.bed import Bed
from tests.unit.drivers.flux.samples import SPACE, unit

KUSTOMIZE = "kustomize.toolkit.fluxcd.io/v1"
NAMES = ("flux-system", "infra", "apps")


def ref(name: str, kind: str = "Kustomization", api: str = KUSTOMIZE) -> Ref:
    return Ref(api, kind, name, SPACE)


def raised(verb: Verb = Verb.WIPE) -> Bed:
    """A castle that stands, and a run that ends it."""
    bed = Bed()
    bed.play(bed.all)
    bed.verb(verb)
    bed.old_life = bed.life
    bed.api.calls.clear()
    return bed


def rests(bed: Bed, name: str) -> bool:
    return bool(bed.api.objects[ref(name)]["spec"].get("suspend"))


def test_the_root_rests_first_and_all_others_after_it() -> None:
    bed = raised()
    bed.play(lambda: bed.step("rest"))
    patched = [what for name, what in bed.api.calls if name == "patch"]
    assert patched[0] == f"Kustomization {SPACE}/flux-system"
    assert all(rests(bed, name) for name in NAMES)
    assert bed.known["walls.rest"]["suspended"] == [f"Kustomization {SPACE}/{name}" for name in NAMES]
    assert MANAGER in bed.api.owners(ref("apps"), "spec", "suspend")


def test_undo_wakes_what_castle_suspended_and_only_that() -> None:
    bed = raised()
    bed.api.objects[ref("apps")]["spec"]["suspend"] = True  # a person did
    bed.play(lambda: bed.step("rest"))
    assert bed.known["walls.rest"]["suspended"] == [f"Kustomization {SPACE}/{name}" for name in NAMES[:2]]
    told = bed.play(lambda: bed.driver.undo(bed.the("rest"), bed.ctx))
    assert told == f"Flux goes on with Kustomization {SPACE}/flux-system, Kustomization {SPACE}/infra"
    assert [rests(bed, name) for name in NAMES] == [False, False, True]
    assert bed.play(lambda: bed.driver.undo(bed.the("rest"), bed.ctx)) == "nothing was suspended"


def test_a_seal_that_broke_off_half_way_is_finished_and_undone_alike() -> None:
    bed = raised()

    async def broken(name: str, what: str) -> None:
        if name == "patch" and what.endswith("apps"):
            raise Unreachable("the server died")

    bed.api.before = broken
    with pytest.raises((Unreachable, Transient)):
        bed.play(lambda: bed.step("rest"))
    assert [rests(bed, name) for name in NAMES] == [True, True, False]
    bed.api.before = None
    bed.play(lambda: bed.driver.undo(bed.the("rest"), bed.ctx))
    assert not any(rests(bed, name) for name in NAMES)


def test_the_next_raise_wakes_what_a_seal_left_asleep() -> None:
    bed = raised(Verb.SEAL)
    bed.play(lambda: bed.step("rest"))
    bed.verb(Verb.RAISE)
    bed.play(bed.all)
    assert not any(rests(bed, name) for name in NAMES)
    assert any("castle had suspended these, and they go on" in each for each in bed.said)


def test_units_that_a_broken_raise_did_not_wake_are_woken_by_the_next_try() -> None:
    """The root was as wanted by then, and whoever looked at it alone left all others asleep for good."""
    bed = raised(Verb.SEAL)
    bed.play(lambda: bed.step("rest"))
    bed.verb(Verb.RAISE)

    async def broken(name: str, what: str) -> None:
        if name == "patch" and what.startswith("Kustomization"):
            raise Unreachable("the server died")

    async def dies() -> None:
        await bed.all("root")
        bed.api.before = broken
        with pytest.raises(Unreachable):
            await bed.step("root")

    bed.play(dies)
    assert rests(bed, "apps")
    bed.api.before = None

    async def look() -> State:
        return (await bed.driver.observe(bed.the("root"), bed.ctx)).state

    assert bed.play(look) is State.NOT_REACHED
    bed.play(lambda: bed.step("root"))
    assert not any(rests(bed, name) for name in NAMES)
    assert bed.play(look) is State.REACHED


def test_values_of_another_life_are_written_anew_though_the_root_is_as_wanted() -> None:
    bed = raised(Verb.RAISE)
    bed.api.remove(Ref("v1", "ConfigMap", "castle-values", SPACE))
    bed.play(lambda: bed.step("root"))
    assert Ref("v1", "ConfigMap", "castle-values", SPACE) in bed.api.objects


def test_after_a_restore_in_place_flux_goes_on() -> None:
    bed = raised(Verb.RESTORE)
    assert [step.action for step in bed.steps()] == ["rest", "wake"]
    bed.play(bed.all)
    assert not any(rests(bed, name) for name in NAMES)


def test_releases_of_helm_rest_too() -> None:
    bed = raised()
    bed.api.put(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "helmreleases.helm.toolkit.fluxcd.io"},
            "spec": {
                "group": "helm.toolkit.fluxcd.io",
                "scope": "Namespaced",
                "names": {"kind": "HelmRelease", "plural": "helmreleases"},
                "versions": [{"name": "v2", "served": True}],
            },
        }
    )
    labels = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": SPACE}
    release: Manifest = {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": "blog", "namespace": SPACE, "labels": labels},
        "spec": {"interval": "10m"},
    }
    bed.api.put(release)
    bed.api.put({**release, "metadata": {"name": "foreign", "namespace": SPACE}})
    bed.play(lambda: bed.step("rest"))
    found = {each["metadata"]["name"]: each["spec"].get("suspend") for each in bed.api.all("HelmRelease")}
    assert found == {"blog": True, "foreign": None}


def test_units_of_another_repository_are_left_alone() -> None:
    bed = raised()

    async def work() -> None:
        bed.api.put(unit("theirs", sourceRef={"kind": "GitRepository", "name": "theirs"}))
        await bed.step("rest")

    bed.play(work)
    assert not rests(bed, "theirs")


def test_a_root_that_the_definition_named_otherwise_when_it_was_made_rests_too() -> None:
    """With another name in the layer, all that the old root had applied acted on behind the cut."""
    bed = raised()
    bed.options = bed.options.model_copy(update={"name": "home"})
    bed.play(lambda: bed.step("rest"))
    assert all(rests(bed, name) for name in NAMES)
    assert next(what for name, what in bed.api.calls if name == "patch") == f"Kustomization {SPACE}/flux-system"


def test_a_pass_that_runs_is_waited_for() -> None:
    bed = raised()

    async def work() -> float:
        live = bed.api.objects[ref("apps")]
        running = [
            {"type": "Ready", "status": "Unknown"},
            {"type": "Reconciling", "status": "True", "message": "Detecting drift for revision main@sha1:5"},
        ]
        bed.api.status(ref("apps"), {"conditions": running})
        done = [{"type": "Ready", "status": "True"}]
        bed.api.later(7.0, lambda: bed.api.status(ref("apps"), {"conditions": done}))
        begun = bed.clock.monotonic()
        await bed.step("rest")
        assert live["spec"].get("suspend") is None
        return bed.clock.monotonic() - begun

    assert 7.0 <= bed.play(work) < 9.0


def test_a_cluster_that_was_found_dead_is_waived_and_nobody_says_that_flux_cannot_act() -> None:
    bed = raised()
    bed.known["cluster.wake"] = {"answers": False}
    bed.no_cluster = Unreachable("the API server does not answer", why="connection refused")
    bed.play(lambda: bed.step("rest"))
    assert bed.known["walls.rest"] == {"suspended": []}

    async def look() -> str:
        return (await bed.driver.observe(bed.the("rest"), bed.ctx)).waived

    said = bed.play(look)
    assert "connection refused" in said
    assert "whether it acts is not known" in said


@pytest.mark.parametrize("attempt", [1, 3, 9])
@pytest.mark.parametrize("known", [{}, {"answers": True}])
def test_a_silent_api_server_of_a_cluster_that_may_live_is_refused_whatever_the_attempt(
    attempt: int, known: dict[str, bool]
) -> None:
    """Attempts go on over resumes: a resumed run waived Flux at the first blip, and Flux acted on."""
    bed = raised()
    bed.known["cluster.wake"] = known
    bed.no_cluster = Unreachable("the API server does not answer", why="connection refused")
    bed.attempt = attempt

    async def look() -> None:
        await bed.driver.observe(bed.the("rest"), bed.ctx)

    with pytest.raises(Refused, match="Flux may act on") as told:
        bed.play(look)
    assert "whether it acts is not known" in told.value.state


def test_a_server_that_is_silent_for_a_moment_is_asked_again() -> None:
    bed = raised()
    bed.no_cluster = Unreachable("the API server does not answer")

    async def work() -> None:
        bed.api.later(10.0, lambda: setattr(bed, "no_cluster", None))
        await bed.step("rest")

    bed.play(work)
    assert all(rests(bed, name) for name in NAMES)


def test_where_no_life_or_no_cluster_stood_there_is_nothing_to_suspend() -> None:
    bed = raised()
    bed.no_cluster = NotFound("there is no machine control")
    bed.play(lambda: bed.step("rest"))
    bed = raised()
    bed.old_life = 0

    async def look() -> State:
        return (await bed.driver.observe(bed.the("rest"), bed.ctx)).state

    assert bed.play(look) is State.REACHED
    assert bed.play(lambda: bed.driver.undo(bed.the("rest"), bed.ctx)) == "there was nothing to wake"


def test_a_cluster_without_flux_has_nothing_that_acts() -> None:
    bed = Bed()
    bed.verb(Verb.WIPE)
    bed.play(lambda: bed.step("rest"))
    assert bed.known["walls.rest"] == {"suspended": []}


def test_it_comes_after_every_proof_and_can_be_switched_off() -> None:
    bed = Bed()
    for verb in (Verb.REBIRTH, Verb.WIPE, Verb.SEAL):
        bed.verb(verb)
        step = bed.the("rest")
        assert (step.phase, step.effect, step.undo) == (Phase.SEAL, Effect.ONCE, True)
        assert {"proven:database?", "old-machines?"} <= set(step.needs)
        assert step.provides == ("still:walls",)
    bed = Bed(suspend=False)
    bed.verb(Verb.WIPE)
    assert [step.action for step in bed.steps()] == ["kept"]


def test_what_castle_suspended_is_known_by_castles_own_mark() -> None:
    bed = raised()
    bed.play(lambda: bed.step("rest"))
    assert bed.api.objects[ref("apps")]["metadata"]["annotations"]["castle.suspended-by"] == ID
    bed.record = type(bed.record)("0badcafe-0000-4000-8000-000000000002", "d", "age1toy", 1, site="lab")
    assert bed.play(lambda: bed.driver.undo(bed.the("rest"), bed.ctx)) == "nothing was suspended"
    assert all(rests(bed, name) for name in NAMES)

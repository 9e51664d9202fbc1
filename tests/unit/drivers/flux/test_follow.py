"""The graph is followed: asked again in time, given up early when only another commit helps, and never for ever."""

from __future__ import annotations

from typing import Any

import pytest

from ephemeral_castle.errors import CastleError, Permanent, Unreachable
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import State
from ephemeral_castle.spi.kubernetes import Ref
from tests.unit.drivers.flux.bed import Bed
from tests.unit.drivers.flux.samples import SPACE, unit

KUSTOMIZE = "kustomize.toolkit.fluxcd.io/v1"


def ref(name: str) -> Ref:
    return Ref(KUSTOMIZE, "Kustomization", name, SPACE)


def refusal(bed: Bed) -> tuple[CastleError, float]:
    """How the run fails, and after how many seconds of following."""

    async def work() -> tuple[CastleError, float]:
        await bed.all("units")
        begun = bed.clock.monotonic()
        with pytest.raises(Permanent) as caught:
            await bed.driver.act(bed.the("units"), bed.ctx)
        return caught.value, bed.clock.monotonic() - begun

    return bed.play(work)


def took(bed: Bed) -> float:
    """Seconds of following."""

    async def work() -> float:
        await bed.all("units")
        begun = bed.clock.monotonic()
        await bed.step("units")
        return bed.clock.monotonic() - begun

    return bed.play(work)


def chain(length: int) -> list[Any]:
    return [unit(f"u{n:02}", *([f"u{n - 1:02}"] if n else [])) for n in range(length)]


def test_a_dependent_is_asked_as_soon_as_its_needs_are_ready() -> None:
    """Stock Flux waits up to half a minute at each edge."""
    bed = Bed({"flux-system": chain(6)})
    assert took(bed) < 6 * 2.5
    facts = bed.known["walls.units"]["units"]
    assert [facts[f"flux-system/u{n:02}"]["nudges"] for n in range(1, 6)] == [1] * 5
    assert "nudges" not in facts["flux-system/u00"]
    times = [facts[f"flux-system/u{n:02}"]["ready_after"] for n in range(6)]
    assert times == sorted(times)
    assert "flux-system/u05: waits for flux-system/u04" in bed.lines
    assert bed.lines[-1] == "flux-system/u05: ready"


def test_a_request_that_nobody_hears_is_made_again() -> None:
    """The API server was away for a moment: the follow goes on, and no unit is forgotten."""
    bed = Bed({"flux-system": chain(3)})

    async def away(name: str, what: str) -> None:
        if name == "patch":
            raise Unreachable("nothing answers")

    async def work() -> float:
        await bed.all("units")
        begun = bed.clock.monotonic()
        bed.api.before = away
        bed.api.later(12.0, lambda: setattr(bed.api, "before", None))
        await bed.step("units")
        return bed.clock.monotonic() - begun

    assert 10.0 < bed.play(work) < 25.0


def test_a_pass_that_died_with_the_api_server_is_asked_for_again() -> None:
    bed = Bed()

    async def work() -> float:
        await bed.all("units")
        begun = bed.clock.monotonic()
        bed.flux.dead = "infra"
        await bed.step("units")
        return bed.clock.monotonic() - begun

    assert 30.0 < bed.play(work) < 40.0


def test_a_unit_of_three_needs_is_asked_once_when_the_last_is_ready() -> None:
    bed = Bed({"flux-system": [unit("a"), unit("b"), unit("c"), unit("all", "a", "b", "c")]})
    bed.flux.health = {"a": 10.0, "b": 20.0, "c": 5.0}
    assert 20.0 < took(bed) < 25.0
    assert bed.known["walls.units"]["units"]["flux-system/all"]["nudges"] == 1
    assert any(line.startswith("flux-system/b: applied: Running health checks") for line in bed.lines)


def test_units_of_units_are_followed_too() -> None:
    bed = Bed({"flux-system": [unit("infra")], "infra": [unit("inner"), unit("outer", "inner")]})
    took(bed)
    assert set(bed.known["walls.units"]["units"]) == {
        f"flux-system/{name}" for name in ("flux-system", "infra", "inner", "outer")
    }


def test_a_unit_that_an_older_commit_left_behind_is_not_waited_for() -> None:
    bed = Bed()

    async def work() -> None:
        await bed.all("loose")
        stale = unit("old", suspend=True)
        labels = {"kustomize.toolkit.fluxcd.io/name": SPACE, "kustomize.toolkit.fluxcd.io/namespace": SPACE}
        stale["metadata"]["labels"] = labels
        bed.api.put(stale)
        assert (await bed.driver.observe(bed.the("units"), bed.ctx)).state is State.REACHED

    bed.play(work)


def test_a_pass_that_fails_is_tried_again_long_before_its_retry() -> None:
    bed = Bed()
    bed.flux.failures["infra"] = [("ReconciliationFailed", "failed calling webhook: connection refused")] * 2
    assert took(bed) < 30.0
    assert bed.flux.passes.count("infra") == 3


def test_a_webhook_that_refuses_for_a_minute_is_waited_for() -> None:
    bed = Bed()
    bed.flux.failures["infra"] = [("ReconciliationFailed", "failed calling webhook: connection refused")] * 3

    async def later() -> float:
        bed.api.later(60.0, bed.flux.failures["infra"].clear)
        await bed.all("units")
        begun = bed.clock.monotonic()
        await bed.step("units")
        return bed.clock.monotonic() - begun

    assert 40.0 < bed.play(later) < 120.0


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("BuildFailed", "kustomize build failed: no such file"),
        ("ReconciliationFailed", "PostgresCluster/data/db dry-run failed: .spec.x: field not declared in schema"),
        ("ArtifactFailed", "kustomization path not found: stat /tmp/x: no such file or directory"),
    ],
)
def test_what_only_another_commit_mends_is_given_up_early(reason: str, message: str) -> None:
    bed = Bed()
    bed.flux.failures["infra"] = [(reason, message)] * 3
    error, after = refusal(bed)
    assert after < 60.0
    assert error.message == "unit `flux-system/infra` will not become ready with this commit"
    assert error.why == f"{reason}: {message}"
    assert error.hints[-1].startswith("mend and push it, then `castle ")


def test_one_bad_pass_is_never_the_end() -> None:
    """An older revision may have failed so, or a CRD may have come since."""
    bed = Bed()
    bed.flux.failures["infra"] = [("BuildFailed", "kustomize build failed: no such file")] * 2
    took(bed)
    assert bed.known["walls.units"]["units"]["flux-system/infra"]["stage"] == "ready"


def test_a_value_that_castle_gives_later_is_waited_for() -> None:
    bed = Bed()
    bed.flux.configs_missing["infra"] = "castle-life"

    async def work() -> float:
        await bed.all("units")
        begun = bed.clock.monotonic()
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "castle-life", "namespace": SPACE}}
        bed.api.later(90.0, lambda: bed.api.put(config))
        await bed.step("units")
        return bed.clock.monotonic() - begun

    assert 90.0 < bed.play(work) < 160.0
    assert any("held: post build failed for 'x': substitute from 'ConfigMap/castle-life'" in each for each in bed.lines)


@pytest.mark.parametrize(
    ("units", "said"),
    [
        (
            [unit("infra"), unit("apps", "databse")],
            "`flux-system/apps` depends on `flux-system/databse`, which does not exist",
        ),
        (
            [unit("a", "c"), unit("b", "a"), unit("c", "b"), unit("free")],
            "these units wait for each other: flux-system/a → flux-system/c → flux-system/b → flux-system/a",
        ),
        (
            [unit("infra", suspend=True), unit("apps", "infra")],
            "`flux-system/apps` depends on `flux-system/infra`, which is suspended",
        ),
    ],
)
def test_a_frozen_graph_is_named(units: list[Any], said: str) -> None:
    bed = Bed({"flux-system": units})
    error, after = refusal(bed)
    assert after < 30.0
    assert (error.message, error.why) == ("the units of Flux wait for what will not come", said)


def test_a_suspended_leaf_is_told_and_not_waited_for() -> None:
    bed = Bed({"flux-system": [unit("infra"), unit("extra", "infra", suspend=True)]})
    took(bed)
    assert bed.known["walls.units"]["units"]["flux-system/extra"]["stage"] == "suspended"
    assert any("`flux-system/extra` is suspended in the repository or by a person" in each for each in bed.said)


def test_time_is_up_with_the_last_words_of_each() -> None:
    bed = Bed(wait="40s")
    bed.flux.health["infra"] = 1e6
    error, after = refusal(bed)
    assert 40.0 <= after < 42.0
    assert error.message == "2 of 3 units are not ready after 40 s"
    assert "flux-system/apps: waits for flux-system/infra" in error.why
    assert "flux-system/infra: applied: Running health checks" in error.why
    assert "Ready=Unknown: in progress" in error.why  # the cluster's own explanation


def held_up(bed: Bed, words: str) -> None:
    """A Deployment of `infra` says so, and never becomes ready."""
    web = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "web", "namespace": "default"},
           "spec": {"replicas": 1}}  # fmt: skip
    bed.flux.trees["infra"] = [web]
    bed.flux.health["infra"] = 1e6
    condition = {"type": "Progressing", "status": "False", "reason": "Stuck", "message": words}
    bed.api.react("StatefulSet", lambda each: None if each.get("status") else bed.api.status(
        each, {"conditions": [condition]}) and None)  # fmt: skip


def test_what_pods_of_a_unit_lack_is_told_while_it_is_waited_for() -> None:
    """Flux says only that something is in progress; the image that was missing stood in the events of a pod."""
    bed = Bed(wait="60s")
    held_up(bed, "the image nowhere/nothing:1 does not exist")
    error, _ = refusal(bed)
    words = "StatefulSet default/web: Progressing=False: the image nowhere/nothing:1 does not exist"
    assert f"flux-system/infra: {words}" in bed.lines
    assert bed.lines.count(f"flux-system/infra: {words}") == 1
    assert words in error.why


def test_a_fetch_that_a_person_must_mend_is_given_up_early() -> None:
    bed = Bed()
    bed.flux.fetch = [("AuthenticationFailed", "secret 'flux-system/flux-system' not found")] * 3
    error, after = refusal(bed)
    assert after < 30.0
    assert error.message == "the cluster cannot fetch the repository"
    assert error.why == "AuthenticationFailed: secret 'flux-system/flux-system' not found"


def test_a_network_that_is_not_there_yet_is_waited_for() -> None:
    bed = Bed()
    bed.flux.fetch = [("GitOperationFailed", "dial tcp: lookup git.example.org: no such host")] * 2
    assert took(bed) < 30.0
    bed = Bed()
    bed.flux.fetch = [("GitOperationFailed", "dial tcp: connection refused")] * 3
    error, after = refusal(bed)
    assert 55.0 < after < 75.0
    assert error.why == "GitOperationFailed: dial tcp: connection refused"


def test_another_revision_than_the_wanted_one_is_never_taken_for_it() -> None:
    bed = Bed()
    bed.flux.revision = "main@sha1:" + "9" * 40
    error, _ = refusal(bed)
    assert error.why == f"it has main@sha1:{'9' * 40}, and commit {bed.sha[:12]} is wanted"


def test_ready_with_the_revision_before_is_not_ready() -> None:
    bed = Bed()
    bed.play(bed.all)

    async def look() -> State:
        new = bed.repository.commit({"clusters/lab/x.yaml": "kind: x"})
        bed.known["walls.source"] = {**bed.known["walls.source"], "sha": new}
        return (await bed.driver.observe(bed.the("units"), bed.ctx)).state

    assert bed.play(look) is State.NOT_REACHED


def test_a_resume_goes_on_where_it_stands() -> None:
    bed = Bed({"flux-system": chain(4)})

    async def work() -> None:
        await bed.all("units")
        await bed.clock.sleep(2.0)
        await bed.step("units")
        before = list(bed.flux.passes)
        seen = await bed.driver.observe(bed.the("units"), bed.ctx)
        assert seen.state is State.REACHED
        assert seen.facts == bed.known["walls.units"]
        assert bed.flux.passes == before

    bed.play(work)


def test_a_watch_that_ends_by_an_error_ends_the_follow() -> None:
    bed = Bed()

    async def silent(name: str, what: str) -> None:
        if name == "watch":
            raise Unreachable("nothing answers")

    async def work() -> None:
        await bed.all("units")
        bed.api.before = silent
        await bed.driver.act(bed.the("units"), bed.ctx)

    with pytest.raises(Unreachable):
        bed.play(work)


def test_whoever_mends_it_is_told_the_command_that_goes_on() -> None:
    for life, passed, command in ((0, False, "castle resume"), (2, True, "castle resume"), (2, False, "castle raise")):
        bed = Bed({"flux-system": [unit("a", "b")]})
        bed.record = type(bed.record)(bed.record.id, "c", "age1toy", life, site="lab" if life else "")
        bed.passed_no_return = passed
        error, _ = refusal(bed)
        assert command in error.hints[-1]
    bed = Bed({"flux-system": [unit("a", "b")]})
    bed.verb(Verb.DRILL)
    assert "castle drill" in refusal(bed)[0].hints[-1]

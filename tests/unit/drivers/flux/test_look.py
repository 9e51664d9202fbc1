"""What `castle status` says, and whether a raise would change anything: by looks alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from ephemeral_castle.spi.kubernetes import Ref
from tests.unit.drivers.flux.bed import Bed
from tests.unit.drivers.flux.samples import FILES, SPACE

READS = {"get", "list", "until", "watch"}


def looked(bed: Bed) -> Mapping[str, Any]:
    return bed.play(lambda: bed.driver.look(bed.ctx))


def settled(bed: Bed) -> str:
    bed.api.calls.clear()
    why = bed.play(lambda: bed.driver.settled(bed.ctx))
    assert {name for name, _ in bed.api.calls} <= READS
    return why


def raised(**options: Any) -> Bed:
    bed = Bed(**options)
    bed.play(bed.all)
    return bed


def unit(name: str) -> Ref:
    return Ref("kustomize.toolkit.fluxcd.io/v1", "Kustomization", name, SPACE)


def test_all_is_well() -> None:
    bed = raised()
    found = looked(bed)
    assert [(each["service"], each["state"], each["commit"]) for each in found["services"]] == [
        (f"{SPACE}/{name}", "ready", bed.sha) for name in ("flux-system", "apps", "infra")
    ]
    assert (set(found["states"]), found["alarms"]) == ({"up"}, [])


def test_a_unit_that_is_not_ready_is_an_alarm_with_its_words() -> None:
    bed = raised()
    bed.api.status(unit("infra"), {"conditions": [
        {"type": "Ready", "status": "False", "reason": "HealthCheckFailed", "message": "Job/x failed",
         "observedGeneration": 1}
    ]})  # fmt: skip
    found = looked(bed)
    assert found["alarms"] == [
        {
            "severity": "error",
            "text": "unit `flux-system/infra` of `walls` is failed: HealthCheckFailed: Job/x failed",
            "mend": "castle raise",
        }
    ]
    assert set(found["states"]) == {"up", "down"}


def test_what_was_suspended_by_hand_is_an_alarm() -> None:
    bed = raised()
    bed.api.objects[unit("infra")]["spec"]["suspend"] = True
    bed.api.status(unit("infra"), {"lastAppliedRevision": "main@sha1:" + "9" * 40})
    assert any("`flux-system/infra` of `walls` is suspended" in each["text"] for each in looked(bed)["alarms"])


def test_without_flux_it_is_down() -> None:
    found = looked(Bed())
    assert (found["states"], found["alarms"][0]["text"]) == (["down"], "layer `walls`: Flux is not there")


def test_a_raise_would_change_nothing() -> None:
    bed = raised()
    assert settled(bed) == ""


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("commit", "`main` is commit "),
        ("kept", "the treasury has no copy of commit "),
        ("unit", "1 of 3 units are not ready: flux-system/infra"),
        ("url", "GitRepository flux-system/flux-system: `url` is another"),
        ("controller", "another version is there"),
        ("address", "`database` is not told yet"),
        ("secret", "missing, or with another value: flux-system/age"),
    ],
)
def test_whatever_is_not_as_it_was_leads_to_a_run(change: str, why: str) -> None:
    bed = Bed(secrets={"flux-system/age": {"age.agekey": "sops/age"}})
    bed.secret("sops/age", "old")
    bed.play(bed.all)
    if change == "commit":
        bed.repository.commit({**FILES, "clusters/lab/x.yaml": "kind: x"})
    elif change == "kept":
        bed.repository.kept.clear()
    elif change == "unit":
        bed.api.status(unit("infra"), {"lastAppliedRevision": ""})
    elif change == "url":
        source = Ref("source.toolkit.fluxcd.io/v1", "GitRepository", SPACE, SPACE)
        bed.api.objects[source]["spec"]["url"] = "https://elsewhere.example.org"
    elif change == "controller":
        controller = Ref("apps/v1", "Deployment", "kustomize-controller", SPACE)
        bed.api.objects[controller]["metadata"]["annotations"]["castle.components"] = "older"
    elif change == "address":
        bed.endpoints["database"] = {"address": "10.0.0.39", "port": 30432}
    else:
        bed.secret("sops/age", "new")
    assert settled(bed).startswith(why)


def test_a_repository_that_is_silent_is_no_reason_to_believe() -> None:
    bed = raised()
    resolve = bed.repository.resolve

    async def bundle(ref: str = "") -> Any:
        return dataclasses.replace(await resolve(ref), source="bundle", notes=("from the copy",))

    bed.repository.resolve = bundle  # type: ignore[method-assign]
    assert settled(bed) == "the repository does not answer"

"""A controller of Flux that lives and does nothing: named, and restarted only where a person allowed it."""

from __future__ import annotations

import pytest

from ephemeral_castle.drivers.flux import hang
from ephemeral_castle.drivers.flux.claims import wanted
from ephemeral_castle.errors import CastleError, Permanent, Unreachable
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.claims import claims
from tests.unit.cluster_bed import RUN
from tests.unit.drivers.flux.bed import Bed
from tests.unit.drivers.flux.samples import SPACE, unit


def hanging(controller: str, bed: Bed | None = None, **flags: bool) -> Bed:
    """One that stops at once when the units are followed."""
    bed = bed or Bed()
    bed.verb(Verb.RAISE, **flags)
    bed.flux.hung.add(controller)
    return bed


def refusal(bed: Bed) -> tuple[CastleError, float]:
    async def work() -> tuple[CastleError, float]:
        await bed.all("units")
        begun = bed.clock.monotonic()
        with pytest.raises(Permanent) as caught:
            await bed.driver.act(bed.the("units"), bed.ctx)
        return caught.value, bed.clock.monotonic() - begun

    return bed.play(work)


@pytest.mark.parametrize(
    ("controller", "what"),
    [
        ("kustomize-controller", "Kustomization flux-system/flux-system"),
        ("source-controller", "GitRepository flux-system/flux-system"),
    ],
)
def test_a_controller_that_hangs_is_named_with_what_waits_and_since_when(controller: str, what: str) -> None:
    """All that was said after fifteen minutes was that units are not ready."""
    bed = hanging(controller)
    error, after = refusal(bed)
    assert hang.LONGEST <= after < hang.LONGEST + 60
    assert error.message == f"{controller} of Flux hangs"
    assert error.where == f"Deployment flux-system/{controller}, waited for by {what}"
    assert error.why.startswith(f"{what} waits for it, and it has done nothing since ")
    assert "its Deployment calls it ready" in error.why
    assert f"pod {controller}-1" in error.why
    assert error.hints[-1].startswith(f"castle resume {RUN} --heal, which ends its pod")
    assert not any("restart" in each for each in bed.said)


@pytest.mark.parametrize("controller", ["kustomize-controller", "source-controller"])
def test_with_the_word_of_a_person_it_is_restarted_and_recorded(controller: str) -> None:
    bed = hanging(controller, heal=True)
    bed.play(bed.all)
    (said,) = [each for each in bed.said if each.startswith("restart ")]
    assert said.startswith(f"restart {controller}: ")
    assert said.endswith("and --heal was given")
    assert {each["metadata"]["name"] for each in bed.api.all("Pod")} == {
        "source-controller-2" if controller == "source-controller" else "source-controller-1",
        "kustomize-controller-2" if controller == "kustomize-controller" else "kustomize-controller-1",
    }
    assert bed.known["walls.units"]["units"]["flux-system/apps"]["stage"] == "ready"


def test_one_that_hangs_again_is_not_restarted_for_ever() -> None:
    bed = hanging("kustomize-controller", heal=True)
    bed.flux.deaf = True
    error, _ = refusal(bed)
    assert error.message == "kustomize-controller of Flux hangs, also after it was restarted"
    assert error.hints[-1] == f"castle resume {RUN}"
    assert len([each for each in bed.said if each.startswith("restart ")]) == 1


def test_a_health_check_that_takes_its_time_is_no_hang() -> None:
    """Each holds a worker of the few: what is asked meanwhile is not heard, and not lost."""
    bed = Bed({"flux-system": [unit("infra", timeout="10m"), unit("apps", "infra", timeout="10m")]})
    bed.flux.health["infra"] = 500.0
    bed.play(bed.all)
    assert bed.known["walls.units"]["units"]["flux-system/apps"]["stage"] == "ready"


def test_one_that_hangs_in_a_health_check_is_found_when_its_own_time_is_over() -> None:
    bed = Bed({"flux-system": [unit("infra", timeout="1m")]})
    bed.flux.health["infra"] = 1e6
    error, after = refusal(bed)
    assert error.message == "kustomize-controller of Flux hangs"
    assert 60 + hang.LONGEST < after < 60 + hang.LONGEST + 120


def test_an_api_server_that_is_away_is_no_hang() -> None:
    """Nobody can obey what an API server does not tell."""
    bed = Bed()

    async def away(name: str, what: str) -> None:
        if name == "patch":
            raise Unreachable("nothing answers")

    async def work() -> None:
        await bed.all("units")
        bed.flux.dead = "infra"
        bed.api.later(20.0, lambda: setattr(bed.api, "before", away))
        bed.api.later(20.0 + 2 * hang.LONGEST, lambda: setattr(bed.api, "before", None))
        await bed.step("units")

    bed.play(work)


def test_a_time_that_is_up_before_it_can_be_called_a_hang_names_the_way_too() -> None:
    error, after = refusal(hanging("kustomize-controller", Bed(wait="100s")))
    assert after < hang.LONGEST
    assert "kustomize-controller does not stir" in error.why
    assert any(f"castle resume {RUN} --heal" in each for each in error.hints)


def test_the_right_to_end_pods_is_claimed_with_the_word_alone() -> None:
    bed = Bed()
    pods = set(claims("", "pods", "get list watch delete", SPACE))
    assert not pods & set(wanted(bed.options, bed.request))
    bed.verb(Verb.RAISE, heal=True)
    assert pods <= set(wanted(bed.options, bed.request))

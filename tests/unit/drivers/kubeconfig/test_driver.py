"""A cluster that castle does not raise: the right one, of a fit version, with every right, or no first step."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ephemeral_castle.drivers.kubeconfig import KubeconfigDriver, ending
from ephemeral_castle.drivers.kubeconfig.options import KubeconfigOptions
from ephemeral_castle.errors import Permanent, Refused
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.model.step import Effect, Phase, State
from ephemeral_castle.spi.claims import Claim, claims
from ephemeral_castle.spi.driver import Check, Context, Request
from ephemeral_castle.spi.kubernetes import ClusterAccess, Ref
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.simulated import ManualClock
from tests.guarded import GuardedCluster
from tests.papers import Authority

UID = "c0ffee00-0000-4000-8000-00000000000a"
LAYER = Layer("cluster", Role.FOUNDATIONS, "kubeconfig")
SITE = Site("home", (LAYER,))
SYSTEM = Ref("v1", "Namespace", "kube-system")
WANTED = [*claims("", "namespaces", "get"), *claims("apps", "deployments", "get patch", "data")]


class Stage:
    """A run that stands before a cluster."""

    def __init__(self, granted: Sequence[Claim] | None = None, verb: Verb = Verb.REBIRTH) -> None:
        self.cluster = GuardedCluster(granted)
        self.cluster.objects[SYSTEM]["metadata"]["uid"] = UID
        self.said: list[str] = []
        self.read: list[tuple[str, str, str]] = []
        self.driver = KubeconfigDriver()
        castle = Castle("home", Treasury("b", "home"), {"home": SITE}, path="/srv/home/castle.yaml")
        self.request = Request(verb, castle, SITE)
        self.options = KubeconfigOptions(context="home", uid=UID, file="k/config")
        self.clock = ManualClock()
        self.access = ClusterAccess("https://home:6443", "ca")
        world = SimpleNamespace(kubeconfig=self.kubeconfig, kubernetes=lambda _: self.cluster, clock=self.clock)
        self.fields: dict[str, Any] = {
            "world": world, "options": self.options, "layer": LAYER, "request": self.request, "life": 1,
            "claims": lambda: WANTED, "diagnostic": lambda severity, text: self.said.append(f"{severity}: {text}"),
        }  # fmt: skip

    def kubeconfig(self, files: str, context: str, beside: str) -> ClusterAccess:
        self.read.append((files, context, beside))
        return self.access

    @property
    def ctx(self) -> Context:
        return cast("Context", SimpleNamespace(**self.fields))

    def look(self) -> Any:
        step = self.driver.plan(LAYER, self.options, self.request)[0]
        return asyncio.run(self.driver.observe(step, self.ctx))

    def doctor(self) -> Sequence[Check]:
        return asyncio.run(self.driver.doctor(self.ctx, WANTED))


@pytest.mark.parametrize("verb", list(Verb))
def test_no_verb_raises_or_wipes_it(verb: Verb) -> None:
    steps = Stage(verb=verb).driver.plan(LAYER, KubeconfigOptions(context="home", uid=UID), Stage(verb=verb).request)
    assert [(each.effect, each.phase) for each in steps] == [(Effect.READ, Phase.PREPARE)]
    assert "old-cluster" in steps[0].provides  # what enters the cluster waits for it
    assert "cluster-api" in steps[0].provides


def test_it_is_reached_by_the_kubeconfig_of_the_definition() -> None:
    stage = Stage()
    seen = stage.look()
    assert (seen.state, seen.facts["uid"]) == (State.REACHED, UID)
    assert set(stage.read) == {("k/config", "home", "/srv/home")}


def test_a_context_that_leads_to_another_cluster_is_refused() -> None:
    stage = Stage()
    stage.cluster.objects[SYSTEM]["metadata"]["uid"] = "c0ffee00-0000-4000-8000-00000000000b"
    with pytest.raises(Refused, match="leads to another cluster") as caught:
        stage.look()
    assert caught.value.state == "nothing was changed"
    with pytest.raises(Refused, match="leads to another cluster"):
        asyncio.run(KubeconfigDriver().cluster(stage.ctx, 1))


@pytest.mark.parametrize("missing", WANTED[1:], ids=str)
def test_each_right_that_is_missing_is_named_before_the_first_change(missing: Claim) -> None:
    stage = Stage([each for each in WANTED if each != missing])
    with pytest.raises(Refused) as caught:
        stage.look()
    assert str(missing) in caught.value.why
    assert not any(name in ("create", "apply", "patch", "delete") for name, _ in stage.cluster.calls)


def test_with_all_of_them_it_goes_on_and_asked_for_each() -> None:
    stage = Stage(WANTED)
    assert stage.look().state is State.REACHED
    assert stage.cluster.asked == len(WANTED)


@pytest.mark.parametrize(("version", "stage_error"), [("v1.29.9", True), ("v1.30.0", False), ("nonsense", True)])
def test_too_old_a_server_is_refused(version: str, stage_error: bool) -> None:
    stage = Stage()
    stage.cluster.gitversion = version
    if not stage_error:
        assert stage.look().state is State.REACHED
        assert stage.said == [f"warning: Kubernetes {version}: castle was tried with 1.36 alone"]
        return
    with pytest.raises(Permanent, match="too old"):
        stage.look()


def test_doctor_tells_each_as_a_line() -> None:
    stage = Stage(claims("", "namespaces", "get"))
    checks = {each.title: each for each in stage.doctor()}
    assert {title: each.ok for title, each in checks.items()} == {
        "context home": True,
        "version": True,
        "key": True,
        "rights": False,
    }
    assert "patch deployments.apps in namespace data" in checks["rights"].fact
    stage.fields["options"] = KubeconfigOptions(context="home", uid=UID[:-1] + "c")
    assert [each.ok for each in stage.doctor()] == [False]


def test_a_cluster_that_was_only_opened_is_not_taken_for_the_one_that_is_meant() -> None:
    """A refusal was told once; whoever asked again was given the wrong cluster."""
    stage = Stage()
    stage.cluster.objects[SYSTEM]["metadata"]["uid"] = "c0ffee00-0000-4000-8000-00000000000b"
    for _ in range(2):
        with pytest.raises(Refused, match="another cluster"):
            asyncio.run(stage.driver.cluster(stage.ctx, 1))
    with pytest.raises(Refused, match="another cluster"):
        stage.look()
    with pytest.raises(Refused, match="another cluster"):
        asyncio.run(stage.driver.cluster(stage.ctx, 1))
    stage.cluster.objects[SYSTEM]["metadata"]["uid"] = UID
    assert asyncio.run(stage.driver.cluster(stage.ctx, 1)) is stage.cluster


HOUR, DAY = 3600.0, 86400.0


def token(left: float, clock: ManualClock) -> Secret:
    said = base64.urlsafe_b64encode(json.dumps({"exp": clock.now() + left}).encode()).decode().rstrip("=")
    return Secret(f"e30.{said}.signature")


@pytest.mark.parametrize(
    ("left", "refused", "told"),
    [(-HOUR, True, ""), (3 * HOUR, True, ""), (2 * DAY, False, "2 d"), (9 * DAY, False, "")],
)
def test_a_key_that_ended_between_two_lives(left: float, refused: bool, told: str) -> None:
    stage = Stage()
    stage.access = ClusterAccess("https://home:6443", "ca", token=token(left, stage.clock))
    if refused:
        with pytest.raises(Refused, match="does not outlive a run"):
            stage.look()
        assert stage.doctor()[2].ok is False
        return
    stage.look()
    assert [told in text for text in stage.said] == ([True] if told else [])
    assert stage.doctor()[2].ok is (None if told else True)


def test_the_end_of_a_client_certificate_is_known_and_nothing_is_guessed_of_others() -> None:
    paper = Authority().client("castle")
    ends = ending.ends(ClusterAccess("https://home:6443", "ca", paper.certificate, Secret(paper.key)))
    assert ends is not None
    assert 0 < ends - datetime.now(UTC).timestamp() <= 2 * DAY
    for text in ("opaque", "a.b.c", "e30.e30.x", "e30.W10.x", "e30.!!.x"):
        assert ending.ends(ClusterAccess("https://home:6443", "ca", token=Secret(text))) is None
    assert ending.ends(ClusterAccess("https://home:6443", "ca", certificate="no certificate")) is None

"""Each act of the driver, on played machines and a played API server."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
from typing import Any

import pytest

from ephemeral_castle.drivers.kubeadm import coredns
from ephemeral_castle.drivers.kubeadm.birth import Init
from ephemeral_castle.drivers.kubeadm.endpoint import configuration, digest
from ephemeral_castle.drivers.kubeadm.gone import Gone, Unused
from ephemeral_castle.drivers.kubeadm.join import JOINING, Join
from ephemeral_castle.drivers.kubeadm.look import look, settled
from ephemeral_castle.drivers.kubeadm.prepare import Check, Wake
from ephemeral_castle.drivers.kubeadm.up import Configure, Up
from ephemeral_castle.drivers.kubeadm.whole import Dns, Nodes
from ephemeral_castle.errors import CastleError, Permanent, Refused, Transient, Unreachable
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Observation, State
from ephemeral_castle.spi.kubernetes import Ref
from ephemeral_castle.spi.world import Result
from tests.unit.drivers.kubeadm import bed
from tests.unit.drivers.kubeadm.stage import Played

REACHED, NOT_REACHED, PARTIAL = State.REACHED, State.NOT_REACHED, State.PARTIAL
CONTROL = [("control", "10.0.0.16")]
RIGHT = digest(configuration("10.0.0.1", CONTROL))


def part(kind: Any, played: Played, name: str = "") -> Any:
    return kind(played.context(), played.desk, name)


async def seen(kind: Any, played: Played, name: str = "") -> Observation:
    found: Observation = await part(kind, played, name).observe()
    return found


def born(**more: Any) -> Played:
    """A cluster that stands: the first machine gave birth to it."""
    played = Played(**more)
    first = played.machines["control"]
    first.member, first.containerd, first.begun = "init", True, True
    return played


# --- the birth


async def test_a_new_machine_is_not_asked_whether_it_is_old() -> None:
    """Every call into a machine costs 0.2 s that clients wait."""
    played = Played()
    played.attempt = 1
    played.machines["control"].silent = True
    assert (await seen(Init, played, "control")).detail == "a new machine"


async def test_half_a_cluster_is_partial_and_a_whole_one_is_known_by_its_fingerprint() -> None:
    played = Played()
    assert (await seen(Init, played, "control")).state is NOT_REACHED
    played.machines["control"].begun = True
    assert (await seen(Init, played, "control")).state is PARTIAL
    whole = await seen(Init, born(), "control")
    assert whole.state is REACHED
    assert whole.facts["inside"] == {"cluster": {"address": "10.0.0.1", "port": 6443}}
    assert len(whole.facts["ca"]) == 64
    assert "PRIVATE" not in json.dumps(dict(whole.facts))


async def test_a_cluster_that_stands_is_waited_for_and_not_born_again() -> None:
    played = born()
    assert (await part(Init, played, "control").act()).state is REACHED
    assert played.machines["control"].jobs == []


async def test_the_birth_is_a_job_and_its_failure_is_told_without_kubeadms_warnings() -> None:
    played = Played()
    said = "W1122 12:00:00 validation.go:79] WARNING: x\nerror: the kubelet is not healthy\nTo see the stack trace"
    played.machines["control"].fails["init"] = Result(1, "", said)
    with pytest.raises(Transient) as raised:
        await part(Init, played, "control").act()
    assert raised.value.why == "error: the kubelet is not healthy"


async def test_what_kubeadm_prints_is_never_told_since_a_token_stands_there() -> None:
    played = Played()
    played.machines["control"].fails["init"] = Result(1, "[bootstrap-token] Using token: abcdef.0123456789abcdef\n", "")
    with pytest.raises(Transient) as raised:
        await part(Init, played, "control").act()
    assert raised.value.why == "it ended with 1 and said nothing"


async def test_an_api_server_that_does_not_answer_is_no_bug_and_says_why() -> None:
    played = born()
    played.cluster.answers = False
    ended = bed.podman_ps(2, RIGHT, running=False)
    played.podman = lambda argv: Result(0, ended if "ps" in argv else "cannot bind", "")
    with pytest.raises(Transient, match="does not answer") as raised:
        await part(Init, played, "control").act()
    assert raised.value.why == "its load balancer ended: cannot bind"


async def test_a_machine_that_cannot_be_seen_is_not_one_without_a_cluster() -> None:
    played = Played()
    played.machines["control"].silent = True
    with pytest.raises(Unreachable):
        await seen(Init, played, "control")


# --- nodes


async def test_a_node_is_configured_once_and_again_when_its_files_change() -> None:
    played = Played()
    assert (await seen(Configure, played, "data")).state is NOT_REACHED
    await part(Configure, played, "data").act()
    assert (await seen(Configure, played, "data")).state is REACHED
    played.life = 3  # other addresses, other routes
    assert (await seen(Configure, played, "data")).detail == "it has other files, or none"


@pytest.mark.parametrize(("code", "kind"), [(90, Refused), (91, Permanent), (92, Transient)])
async def test_what_a_machine_says_of_itself_decides_the_error(code: int, kind: type[CastleError]) -> None:
    played = Played()
    played.machines["data"].fails["configure"] = Result(code, "", "there is no kubelet on /usr/bin")
    with pytest.raises(kind) as raised:
        await part(Configure, played, "data").act()
    assert raised.value.why == "there is no kubelet on /usr/bin"


async def test_a_mirror_that_the_site_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(Refused, match="has no service `images`"):
        await part(Configure, Played(mirror="images"), "data").act()


async def test_a_join_has_a_token_of_its_own_that_is_gone_afterwards() -> None:
    played = born()
    ref = Ref("v1", "Node", "data")
    played.cluster.objects[ref] = bed.node("data", "")
    played.attempt = 1
    assert (await part(Join, played, "data").act()).state is REACHED
    created, deleted = (change.partition(" ")[2] for change in played.cluster.changes)
    assert created == deleted
    assert played.machines["data"].jobs == ["join"]
    with tarfile.open(fileobj=io.BytesIO(played.machines["data"].given[0])) as archive:
        assert archive.getnames() == ["run/castle/join.yaml"]  # in the machine's memory
        text = archive.extractfile("run/castle/join.yaml").read().decode()  # type: ignore[union-attr]
    assert json.loads(text)["discovery"]["bootstrapToken"]["caCertHashes"][0].startswith("sha256:")


async def test_a_token_is_taken_back_when_the_join_fails() -> None:
    played = born()
    played.attempt = 1
    played.machines["data"].fails["join"] = Result(1, "", "error: no way")
    with pytest.raises(Transient, match="machine data did not join"):
        await part(Join, played, "data").act()
    assert [change.split()[0] for change in played.cluster.changes] == ["create", "delete"]


async def test_a_node_that_an_earlier_try_left_is_forgotten_before_the_next_one() -> None:
    """Kubeadm refuses a name that the cluster knows already. The kubelet must end first: it would show itself again."""
    played = born()
    played.machines["data"].begun = True
    assert (await seen(Join, played, "data")).state is PARTIAL
    ref = Ref("v1", "Node", "data")
    played.cluster.objects[ref] = bed.node("data", "")
    with pytest.raises(AssertionError, match="does not exist"):  # nobody plays the kubelet that shows it again
        await part(Join, played, "data").act()
    assert played.machines["data"].jobs == ["clear", "join"]
    assert played.cluster.changes[0] == "delete Node data"


async def test_a_join_that_outlived_its_runner_is_waited_for_and_not_reset() -> None:
    """The machine was taken apart under the job that still ran."""
    played = born()
    machine = played.machines["data"]
    machine.begun = machine.joining = True
    played.cluster.objects[Ref("v1", "Node", "data")] = bed.node("data", "")
    assert (await part(Join, played, "data").act()).state is REACHED
    assert machine.jobs == []
    assert played.cluster.changes == []


async def test_a_control_plane_is_given_the_keys_that_all_share_and_a_worker_is_not() -> None:
    played = born(control=["control", "b", "c"], workers=["data"])
    played.attempt = 1
    ref = Ref("v1", "Node", "b")
    played.cluster.objects[ref] = bed.node("b", "")
    await part(Join, played, "b").act()
    with tarfile.open(fileobj=io.BytesIO(played.machines["b"].given[0])) as archive:
        assert archive.getnames() == ["run/castle/join.yaml", "run/castle/pki.tar"]


async def test_a_control_plane_that_was_lost_leaves_etcd_before_it_joins_again() -> None:
    """Etcd would wait for the lost one: a plain join hangs, and leaves half of another."""
    played = born(control=["control", "b", "c"], workers=["data"])
    played.cluster.objects[Ref("v1", "Node", "b")] = bed.node("b", "")
    with pytest.raises(AssertionError, match="does not exist"):  # nobody plays the kubelet that shows it again
        await part(Join, played, "b").act()
    assert played.machines["control"].asked[0] == ["lost", "10.0.0.17"]
    assert played.machines["b"].jobs == ["clear", "join"]


async def test_a_first_machine_that_was_lost_joins_the_cluster_that_stands_without_it() -> None:
    """A second birth would be another cluster under the same name, and the load balancer would send half to each."""
    played = born(control=["control", "b", "c"], workers=["data"])
    first, second = played.machines["control"], played.machines["b"]
    first.member, first.begun, second.member = "", False, "init"
    found = await seen(Init, played, "control")
    assert (found.state, found.detail) == (NOT_REACHED, "control is lost to the cluster, which stands without it")
    played.cluster.objects[Ref("v1", "Node", "control")] = bed.node("control", "")
    with pytest.raises(AssertionError, match="does not exist"):
        await part(Init, played, "control").act()
    assert first.jobs == ["clear", "join"]


async def test_a_cluster_that_the_record_knows_and_no_machine_has_is_not_born_again() -> None:
    played = Played()
    whole = await seen(Init, born(), "control")
    played.record = dataclasses.replace(bed.RECORD, inventory={"2": whole.facts["created"]})
    for deed in (part(Init, played, "control").observe, part(Init, played, "control").act):
        with pytest.raises(Refused, match="the cluster `cluster` of life 2 is lost"):
            await deed()
    assert played.machines["control"].jobs == []


async def test_a_cluster_that_this_very_run_made_is_not_born_again_either() -> None:
    """The record is written at the end of a run: till then an empty cluster took the place of the first."""
    played = Played()
    played.known["cluster.init"] = dict((await seen(Init, born(), "control")).facts)
    with pytest.raises(Refused, match="is lost") as raised:
        await part(Init, played, "control").act()
    assert raised.value.why.startswith("this run made it")
    assert "nothing was changed" not in raised.value.state
    assert played.machines["control"].jobs == []


async def test_a_cluster_that_this_run_made_at_the_first_try_was_lost_to_the_runner_that_came_later() -> None:
    """After a kill the step is done again to open its door; "a new machine" was no look, and the run ended as lost."""
    played = born()
    played.attempt = 1
    played.known["cluster.init"] = dict((await seen(Init, born(), "control")).facts)
    found = await seen(Init, played, "control")
    assert found.state is REACHED
    assert (await part(Init, played, "control").act()).state is REACHED
    assert played.machines["control"].jobs == []


async def test_a_control_plane_that_cannot_be_seen_may_have_the_cluster() -> None:
    played = Played(control=["control", "b", "c"], workers=["data"])
    played.machines["c"].silent = True
    with pytest.raises(Unreachable):
        await seen(Init, played, "control")


async def test_a_node_counts_only_when_the_cluster_calls_it_ready() -> None:
    played = born()
    played.machines["data"].member = "join"
    played.cluster.objects[Ref("v1", "Node", "data")] = bed.node("data", "10.244.1.0/24", ready=False)
    assert (await seen(Join, played, "data")).state is NOT_REACHED
    played.cluster.objects[Ref("v1", "Node", "data")] = bed.node("data", "10.244.1.0/24")
    assert (await seen(Join, played, "data")).state is REACHED


# --- the whole


def well(played: Played) -> None:
    for name in ("data", "edge"):
        machine = played.machines[name]
        machine.member, machine.containerd, machine.begun = "join", True, True
    for each in bed.standing(coredns.corefile((), {"treasury.castle": "10.0.0.1"})):
        played.cluster.objects[Ref.of(each)] = each


async def test_every_node_shows_its_range_and_no_token_is_left() -> None:
    played = born()
    well(played)
    node = Ref("v1", "Node", "edge")
    del played.cluster.objects[node]["spec"]["podCIDR"]
    meta = {"name": "bootstrap-token-x", "namespace": "kube-system", "labels": {JOINING: "edge"}}
    left = {"apiVersion": "v1", "kind": "Secret", "metadata": meta}
    played.cluster.objects[Ref.of(left)] = left
    assert (await seen(Nodes, played)).detail == "edge does not show its range of pods"
    assert (await part(Nodes, played).act()).state is REACHED
    assert played.cluster.objects[node]["spec"]["podCIDR"] == "10.244.2.0/24"
    assert Ref.of(left) not in played.cluster.objects
    assert (await seen(Nodes, played)).state is REACHED


async def test_dns_is_looked_at_by_what_it_answers() -> None:
    played = born()
    assert (await seen(Dns, played)).detail == "it is not there yet"
    well(played)
    assert (await seen(Dns, played)).state is REACHED
    played.options = bed.options(forward=["192.168.1.1"])
    assert (await seen(Dns, played)).detail == "it is configured otherwise"


async def test_status_names_the_node_that_is_not_well() -> None:
    played = born()
    well(played)
    played.cluster.objects[Ref("v1", "Node", "edge")] = bed.node("edge", "10.244.2.0/24", ready=False)
    found = await look(played.context(), played.desk)
    assert [(row["machine"], row["state"]) for row in found["services"]] == [
        ("control", "ready"), ("data", "ready"), ("edge", "not ready")
    ]  # fmt: skip
    assert "node edge of `cluster` is not ready" in found["alarms"][0]["text"]


async def test_status_of_a_cluster_without_a_key_is_an_alarm_and_no_crash() -> None:
    found = await look(Played().context(), Played().desk)
    assert found["states"] == ["down"]
    assert "there is no cluster" in found["alarms"][0]["text"]


async def test_settled_is_only_what_was_seen_to_be_as_wanted() -> None:
    played = born(podman=lambda argv: Result(0, bed.podman_ps(1, RIGHT_OLD), ""))
    played.life = played.old_life = 1
    well(played)

    async def present(_: Any) -> bool:
        return True

    for name in played.machines:
        await part(Configure, played, name).act()
    ctx = played.context()
    ctx.world.images.present = present
    assert await settled(ctx, played.desk) == ""
    played.machines["edge"].digest = "another"
    assert await settled(ctx, played.desk) == "it has other files, or none"


RIGHT_OLD = digest(configuration("10.0.0.1", [("control", "10.0.0.8")]))


# --- what a raise cannot change


def standing(verb: Verb = Verb.RAISE, **more: Any) -> Played:
    """A raise on the cluster of the life that stands."""
    played = born(verb=verb, podman=lambda argv: Result(0, bed.podman_ps(1, RIGHT_OLD), ""), **more)
    played.life = played.old_life = 1
    for each in ("control", "data", "edge"):
        pods = f"10.244.{['control', 'data', 'edge'].index(each)}.0/24"
        played.cluster.objects[Ref("v1", "Node", each)] = bed.node(each, pods)
    return played


async def test_a_range_of_pods_that_would_move_on_a_living_node_is_refused_before_anything_is_changed() -> None:
    """Networks and routes were written anew under living pods, and the raise said that all was well."""
    three: dict[str, Any] = {"control": ["control", "b", "c"], "workers": ["data", "edge"]}
    for more in (three, {"workers": ["new", "data", "edge"]}):
        for deed in ("observe", "act"):
            with pytest.raises(Refused, match="machine `data` would get another range of pods") as raised:
                await getattr(part(Wake, standing(**more)), deed)()
            assert "it has 10.244.1.0/24" in raised.value.why
    assert (await seen(Wake, standing())).state is REACHED
    assert (await seen(Wake, standing(workers=["data", "edge", "new"]))).state is REACHED
    assert (await seen(Wake, standing(Verb.REBIRTH, **three))).state is REACHED


async def test_a_node_that_keeps_another_range_is_not_called_ready() -> None:
    played = born()
    well(played)
    played.cluster.objects[Ref("v1", "Node", "edge")]["spec"]["podCIDR"] = "10.244.7.0/24"
    found = await part(Nodes, played).act()
    assert (found.state, found.detail) == (NOT_REACHED, "edge does not show its range of pods")


async def test_nodes_that_were_waited_for_are_looked_at_and_no_longer_called_new() -> None:
    """The API server died between the wait and the look behind it: the step saw nothing but new nodes for ever."""
    played = born()
    well(played)
    played.attempt = 1
    assert (await seen(Nodes, played)).detail == "new nodes"
    played.cluster.objects[Ref("v1", "Node", "edge")]["spec"]["podCIDR"] = "10.244.7.0/24"
    assert (await part(Nodes, played).act()).state is NOT_REACHED
    assert (await seen(Nodes, played)).detail == "edge does not show its range of pods"
    played.cluster.objects[Ref("v1", "Node", "edge")]["spec"]["podCIDR"] = "10.244.2.0/24"
    assert (await seen(Nodes, played)).state is REACHED


async def test_another_version_on_a_living_cluster_is_refused_and_not_told_as_done() -> None:
    played = standing()
    played.cluster.gitversion = "v1.35.0"
    for deed in (part(Wake, played).observe, part(Wake, played).act, part(Init, played, "control").observe):
        with pytest.raises(Refused, match=r"is of version v1\.35\.0, and `version` says v1\.36\.3") as raised:
            await deed()
        assert "another version comes with the next rebirth" in raised.value.why


async def test_a_node_of_a_living_cluster_that_takes_no_files_is_not_said_to_belong_to_none() -> None:
    for member, said in (("join", "it is still a node of the cluster that stands"), ("", "it belongs to no cluster")):
        played = Played()
        played.machines["data"].member = member
        played.machines["data"].fails["configure"] = Result(92, "", "no space left")
        with pytest.raises(Transient) as raised:
            await part(Configure, played, "data").act()
        assert raised.value.state.startswith(said)


# --- the load balancer


async def test_the_load_balancer_that_runs_as_wanted_is_left_alone() -> None:
    played = Played(podman=lambda argv: Result(0, bed.podman_ps(2, RIGHT), ""))
    assert (await seen(Up, played)).state is REACHED
    await part(Up, played).act()
    assert not any("run" in call for call in played.calls)


async def test_one_that_only_stopped_is_started_again_and_needs_no_image() -> None:
    """It was removed first, and on a computer without the image no new one came: the cluster was called dead."""
    played = born(podman=lambda argv: Result(0, bed.podman_ps(1, RIGHT_OLD, running=False) if "ps" in argv else "", ""))
    played.image = False
    assert (await part(Wake, played).act()).waived == ""
    assert ["podman", "start", "id-1"] in played.calls
    assert "build" not in played.said
    assert not any("rm" in call or "run" in call for call in played.calls)


async def test_the_image_is_built_before_one_that_leads_elsewhere_is_removed() -> None:
    def podman(argv: list[str]) -> Result:
        assert played.image or "rm" not in argv
        return Result(0, bed.podman_ps(1, "another") if "ps" in argv else "id-new", "")

    played = born(podman=podman)
    played.image = False
    assert (await part(Wake, played).act()).waived == ""
    assert "build" in played.said
    assert any("rm" in call for call in played.calls)


@pytest.mark.parametrize(
    ("there", "starts"), [(bed.podman_ps(2, "another"), True), (bed.podman_ps(2, RIGHT, running=False), False)]
)
async def test_one_that_leads_elsewhere_or_does_not_start_is_replaced_by_id(there: str, starts: bool) -> None:
    def podman(argv: list[str]) -> Result:
        if "start" in argv and not starts:
            return Result(125, "", "no such image")
        return Result(0, there if "ps" in argv else "id-new\n", "")

    played = Played(podman=podman)
    assert (await seen(Up, played)).state is NOT_REACHED
    assert (await part(Up, played).act()).facts["created"][0]["id"] == "id-new"
    assert ["podman", "rm", "-f", "-t", "0", "id-2"] in played.calls


async def test_a_stranger_of_its_name_is_refused_and_not_touched() -> None:
    played = Played(podman=lambda argv: Result(0, bed.podman_ps(2, RIGHT, ident="somebody"), ""))
    with pytest.raises(Refused, match="carries our name but not our mark"):
        await part(Up, played).act()
    assert not any("rm" in call for call in played.calls)


async def test_the_old_one_goes_and_no_other() -> None:
    listed = json.loads(bed.podman_ps(1, "x")) + json.loads(bed.podman_ps(2, RIGHT))
    stranger = json.loads(bed.podman_ps(1, "x", ident="somebody"))
    played = Played(podman=lambda argv: Result(0, json.dumps([*listed, *stranger]), ""))
    assert (await seen(Gone, played)).detail == "still there: c-1-cluster-endpoint"
    await part(Gone, played).act()
    assert [call for call in played.calls if "rm" in call] == [["podman", "rm", "-f", "-t", "0", "id-1"]]
    assert played.said[0].startswith("intent destroy")


async def test_one_of_an_earlier_life_goes_before_the_port_is_wanted() -> None:
    """The life between was reached in another way, and nobody had removed it."""
    played = Played(podman=lambda argv: Result(0, bed.podman_ps(1, "x") if "ps" in argv else "id-new\n", ""))
    assert (await seen(Up, played)).detail == "there is one of another life: c-1-cluster-endpoint"
    await part(Up, played).act()
    assert ["podman", "rm", "-f", "-t", "0", "id-1"] in played.calls


@pytest.mark.parametrize(
    ("born", "removed"), [("k8s.example.org:6443", ["id-1", "id-2"]), ("here", ["id-1"]), (None, ["id-1"])]
)
async def test_a_raise_removes_those_that_no_node_needs(born: str | None, removed: list[str]) -> None:
    listed = [json.loads(bed.podman_ps(life, "x"))[0] for life in (1, 2)]
    stranger = json.loads(bed.podman_ps(3, "x", ident="somebody"))
    played = Played(Verb.RAISE, lambda argv: Result(0, json.dumps([*listed, *stranger]), ""), endpoint="k8s.lan:6443")
    item = {"kind": "cluster", "id": "x", "name": "cluster", **({"endpoint": born} if born else {})}
    played.record = dataclasses.replace(bed.RECORD, inventory={"2": [item]})
    assert (await seen(Unused, played)).state is NOT_REACHED
    await part(Unused, played).act()
    assert [call[5:] for call in played.calls if "rm" in call] == [removed]


async def test_another_way_to_a_living_cluster_is_refused() -> None:
    """Its nodes went on by the old one: the raise called the cluster dead, and a removal would have made it so."""
    item = {"kind": "cluster", "id": "x", "name": "cluster", "endpoint": "here"}
    played = standing(endpoint="k8s.example.org:6443")
    played.record = dataclasses.replace(bed.RECORD, inventory={"1": [item]})
    with pytest.raises(Refused, match=r"was born behind `here`, and `endpoint` says `k8s\.example\.org:6443`"):
        await part(Wake, played).observe()
    played.request = dataclasses.replace(played.request, verb=Verb.REBIRTH)
    await part(Wake, played).observe()


def test_health_is_asked_of_every_api_server_without_a_key() -> None:
    text = configuration("10.0.0.1", [("a", "10.0.0.16"), ("b", "10.0.0.17")])
    assert "bind 10.0.0.1:6443" in text
    assert "option httpchk GET /readyz" in text
    assert text.endswith("  server a 10.0.0.16:6443\n  server b 10.0.0.17:6443\n")


# --- before anything is destroyed


async def test_a_dead_cluster_is_told_and_keeps_nobody() -> None:
    played = born(podman=lambda argv: Result(0, "[]" if "ps" in argv else "id-1", ""))
    played.cluster.answers = False
    played.known["machines.revive"] = {"containers": ["c-1-421"]}
    found = await part(Wake, played).act()
    assert found.state is REACHED
    assert found.waived == "it does not answer: no answer within 30 s"
    assert any(text.startswith("warning: the cluster of life 1 does not answer") for text in played.said)


async def test_a_cluster_whose_key_is_lost_is_a_dead_one() -> None:
    """Its machine was lost: whoever only looked gave up, and no raise could begin."""
    played = Played(podman=lambda argv: Result(0, bed.podman_ps(1, RIGHT_OLD), ""))
    played.machines["control"].silent = True
    assert (await seen(Wake, played)).detail == "the key of the cluster cannot be read"
    found = await part(Wake, played).act()
    assert found.state is REACHED
    assert found.waived.startswith("it does not answer: the key of the cluster cannot be read (control: ")


async def test_a_standing_cluster_is_looked_for_as_it_was_made_and_not_as_the_definition_has_it_now() -> None:
    """With another endpoint, or another order of its machines, a healthy one was called dead."""
    played = born(control=["b"], workers=["control", "data"], endpoint="k8s.example.org:6443")
    item = {"kind": "cluster", "id": "x", "name": "cluster", "endpoint": "here", "control": ["control"]}
    played.record = dataclasses.replace(bed.RECORD, inventory={"1": [item]})
    right = digest(configuration("10.0.0.1", [("control", "10.0.0.9")]))
    played.podman = lambda argv: Result(0, bed.podman_ps(1, right), "")
    for deed in (part(Wake, played).observe, part(Wake, played).act):
        found = await deed()
        assert (found.state, found.waived, found.detail) == (REACHED, "", "it answers")
    assert played.said == ["publish cluster 10.0.0.1:6443"]


async def test_what_a_birth_leaves_in_the_record_tells_the_way_back_to_it() -> None:
    (item,) = (await seen(Init, born(), "control")).facts["created"]
    assert (item["endpoint"], item["control"]) == ("here", ["control"])


async def test_where_no_old_machine_is_nothing_is_woken() -> None:
    played = Played()
    played.known["machines.revive"] = {"containers": []}
    assert (await seen(Wake, played)).waived == "no machine of an old life is here"


@pytest.mark.parametrize(
    ("more", "said", "text"),
    [
        ({"pods": "10.0.0.0/16"}, "HTTP/1.0 200 OK", "`pods` and the network of the machines overlap"),
        ({"services": "10.0.0.0/16"}, "HTTP/1.0 200 OK", "`services` and the network of the machines overlap"),
        ({}, "", "the registry of images does not answer"),
        ({}, "HTTP/1.0 404 Not Found", "the registry lacks images of the cluster"),
    ],
)
async def test_what_would_only_show_when_the_old_cluster_is_gone_is_refused_now(
    more: dict[str, Any], said: str, text: str
) -> None:
    played = Played(podman=lambda argv: Result(0 if said else 1, said, ""), **more)
    with pytest.raises(Refused, match=text):
        await seen(Check, played)


async def test_all_is_well() -> None:
    played = Played(podman=lambda argv: Result(0, "HTTP/1.0 200 OK", ""))
    assert (await seen(Check, played)).state is REACHED


@pytest.mark.parametrize(("verb", "refused"), [(Verb.RAISE, True), (Verb.DRILL, True), (Verb.REBIRTH, False)])
async def test_a_computer_that_watches_too_few_files_for_another_cluster_is_refused(verb: Verb, refused: bool) -> None:
    """Linux counts watchers over all containers: a kubelet too many ends at once, again and again."""
    taken = "128\n" + "".join(f"/proc/7/fd/{number}\n" for number in range(100))
    said = lambda argv: Result(0, taken if "max_user_instances" in argv[-1] else "HTTP/1.0 200 OK", "")  # noqa: E731
    played = Played(verb, podman=said)
    if refused:
        with pytest.raises(Refused, match="too few files be watched") as raised:
            await seen(Check, played)
        assert "100 of 128" in raised.value.why
    else:
        assert (await seen(Check, played)).state is REACHED

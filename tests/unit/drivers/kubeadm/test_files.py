"""Which files make which machine a node, and that nothing of them is secret or left to chance."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

from ephemeral_castle.drivers.kubeadm import configs, layout, scripts
from ephemeral_castle.drivers.kubeadm.configs import Place
from ephemeral_castle.drivers.kubeadm.files import boot, digest, hosts, node_files, packed
from tests.unit.drivers.kubeadm.bed import SITE, options

ADDRESSES = {"control": "10.0.0.16", "data": "10.0.0.17", "edge": "10.0.0.18"}
PLACE = Place("c", "10.0.0.1:6443", "10.0.0.16", "10.0.0.1")


def files(name: str, **more: object) -> dict[str, str]:
    wanted = options(**more)
    node = next(node for node in layout.nodes(wanted) if node.name == name)
    routes = layout.routes(node, ADDRESSES, wanted)
    init = configs.init(wanted, node, PLACE)
    return {each.path: each.content.decode() for each in node_files(node, wanted, routes, "http://10.0.0.1:5000", init)}


def test_every_node_has_a_range_of_its_own_and_keeps_it_when_one_is_added() -> None:
    two = {node.name: node.pods for node in layout.nodes(options(workers=["data"]))}
    three = {node.name: node.pods for node in layout.nodes(options())}
    assert three == {"control": "10.244.0.0/24", "data": "10.244.1.0/24", "edge": "10.244.2.0/24"}
    assert two.items() <= three.items()
    assert [node.first for node in layout.nodes(options())] == [True, False, False]


def test_a_node_knows_the_way_to_the_pods_of_all_others_and_none_to_its_own() -> None:
    text = files("data")["etc/castle/boot"]
    assert "ip route replace 10.244.0.0/24 via 10.0.0.16" in text
    assert "ip route replace 10.244.2.0/24 via 10.0.0.18" in text
    assert "10.244.1.0/24 via" not in text


def test_pods_hide_behind_their_machine_towards_all_but_pods() -> None:
    assert "ip saddr 10.244.1.0/24 ip daddr != 10.244.0.0/16 masquerade" in files("data")["etc/castle/boot"]


def test_rules_of_services_that_outlived_a_start_are_removed_only_where_nobody_keeps_them() -> None:
    lines = files("data")["etc/castle/boot"].splitlines()
    begin = lines.index("pgrep -x kube-proxy > /dev/null || nft -f - << 'LEFT'")
    assert lines[begin + 1 : lines.index("LEFT")] == [
        "table ip kube-proxy", "delete table ip kube-proxy", "table ip6 kube-proxy", "delete table ip6 kube-proxy"
    ]  # fmt: skip


def test_the_rules_replace_those_of_an_earlier_start() -> None:
    text = boot(layout.nodes(options())[0], options(), {})
    assert text.index("table ip castle\n") < text.index("delete table ip castle") < text.index("chain out")


def test_only_the_first_node_has_the_configuration_of_a_birth() -> None:
    assert [name for name in ADDRESSES if "etc/castle/init.yaml" in files(name)] == ["control"]


def test_every_image_comes_from_the_mirror_under_its_own_name() -> None:
    assert hosts("http://10.0.0.1:5000").splitlines()[0] == 'server = "http://10.0.0.1:5000"'
    assert hosts("") == ""
    assert layout.mirror_url(options(), SITE, "10.0.0.1") == "http://10.0.0.1:5000"
    assert layout.mirror_url(options(mirror="https://r.example"), SITE, "10.0.0.1") == "https://r.example"
    assert "etc/containerd/certs.d/_default/hosts.toml" in files("data")


@pytest.mark.parametrize("name", ["LOOK", "CONFIGURE", "PROGRAM", "CONTAINERD", "KUBELET"])
def test_what_runs_on_machines_are_sound_scripts(name: str) -> None:
    text = getattr(scripts, name)
    done = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\r" not in text


def test_the_lost_member_of_etcd_is_found_by_its_address(tmp_path: Path) -> None:
    """Its name is empty when it never started; ids are texts of digits, of which a shell must not make numbers."""
    members = (
        '{"header":{"cluster_id":"14841639068965178418"},"members":[{"ID":"10276657743932975437","name":"control",'
        '"peerURLs":["https://10.0.0.16:2380"],"clientURLs":["https://10.0.0.16:2379"]},{"ID":"9372538179322589801",'
        '"peerURLs":["https://10.0.0.17:2380"]}]}'
    )
    asked = tmp_path / "asked"
    played = f"""etcd() {{ echo "$1 $2" >> {asked}; printf '%s' '{members}'; }}"""
    start, end = scripts.PROGRAM.index("etcd() {"), scripts.PROGRAM.index("member() {")
    text = scripts.PROGRAM.replace(scripts.PROGRAM[start:end], played + "\n").replace(
        "cat /etc/castle/programs", "echo"
    )
    for address in ("10.0.0.17", "10.0.0.99"):
        subprocess.run(["sh", "-s", "lost", address], input=text, text=True, check=True)
    assert asked.read_text().splitlines() == [
        "/v3/cluster/member/list {}",
        '/v3/cluster/member/remove {"ID": "9372538179322589801"}',
        "/v3/cluster/member/list {}",
    ]


def test_containerd_reads_the_mirrors_and_leaves_the_computers_limits_alone() -> None:
    import tomllib

    cri = tomllib.loads(scripts.CONTAINERD_TOML)["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["registry"]["config_path"] == "/etc/containerd/certs.d"
    assert cri["restrict_oom_score_adj"] is True


def test_the_digest_tells_every_change_of_a_file_or_mode() -> None:
    wanted = options()
    node = layout.nodes(wanted)[1]
    found = {
        digest(node_files(node, options(**more), layout.routes(node, addresses, wanted), mirror, ""))
        for more, addresses, mirror in (
            ({}, ADDRESSES, ""),
            ({}, {**ADDRESSES, "edge": "10.0.0.99"}, ""),
            ({}, ADDRESSES, "http://10.0.0.1:5000"),
            ({"programs": "/opt/kubernetes"}, ADDRESSES, ""),
        )
    }
    assert len(found) == 4


def test_the_archive_holds_them_with_their_modes() -> None:
    wanted = options()
    node = layout.nodes(wanted)[1]
    made = node_files(node, wanted, {}, "", "")
    with tarfile.open(fileobj=io.BytesIO(packed(made))) as archive:
        modes = {entry.name: entry.mode for entry in archive}
    assert modes["etc/castle/boot"] == modes["etc/castle/services/kubelet"] == 0o755
    assert modes["etc/containerd/config.toml"] == 0o644


def documents(text: str) -> dict[str, dict[str, object]]:
    return {each["kind"]: each for each in yaml.safe_load_all(text)}


def test_a_birth_names_its_one_exception_and_no_other() -> None:
    found = documents(configs.init(options(), layout.nodes(options())[0], PLACE))
    registration = found["InitConfiguration"]["nodeRegistration"]
    assert isinstance(registration, dict)
    assert registration["ignorePreflightErrors"] == ["SystemVerification"]
    assert found["ClusterConfiguration"]["controlPlaneEndpoint"] == "10.0.0.1:6443"
    assert "127.0.0.1" in json.dumps(found["ClusterConfiguration"]["apiServer"])
    assert scripts.ENCRYPTION in json.dumps(found["ClusterConfiguration"]["apiServer"])


def test_the_file_of_a_birth_holds_no_token() -> None:
    assert '"token": "@TOKEN@"' in configs.init(options(), layout.nodes(options())[0], PLACE)


def test_a_control_plane_alone_carries_pods_too() -> None:
    alone = options(workers=[])
    found = documents(configs.init(alone, layout.nodes(alone)[0], PLACE))
    registration = found["InitConfiguration"]["nodeRegistration"]
    assert isinstance(registration, dict)
    assert registration["taints"] == []


def test_leaders_are_elected_only_where_there_are_several() -> None:
    """Alone, a controller that came back would wait for the end of its own lease: 15 s."""
    for control, elected in ((["control"], "false"), (["control", "b", "c"], "true")):
        wanted = options(control=control)
        scheduler = documents(configs.init(wanted, layout.nodes(wanted)[0], PLACE))["ClusterConfiguration"]["scheduler"]
        assert scheduler == {"extraArgs": [{"name": "leader-elect", "value": elected}]}


def test_a_join_pins_the_key_of_the_authority() -> None:
    node = layout.nodes(options())[1]
    found = documents(configs.join(node, PLACE, "abcdef.0123456789abcdef", "sha256:77"))["JoinConfiguration"]
    assert found["discovery"] == {
        "bootstrapToken": {
            "token": "abcdef.0123456789abcdef", "apiServerEndpoint": "10.0.0.1:6443", "caCertHashes": ["sha256:77"],
        },
        "tlsBootstrapToken": "abcdef.0123456789abcdef",
    }  # fmt: skip
    assert "controlPlane" not in found
    several = options(control=["control", "b", "c"])
    text = configs.join(layout.nodes(several)[1], PLACE, "a.b", "sha256:77")
    assert "controlPlane" in documents(text)["JoinConfiguration"]

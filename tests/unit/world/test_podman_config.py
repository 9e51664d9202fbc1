from __future__ import annotations

import tomllib
from pathlib import Path

from ephemeral_castle.world.podman_config import PodmanRoot


def test_everything_is_its_own(tmp_path):
    root = PodmanRoot(
        graph=tmp_path / "graph",
        run=tmp_path / "run",
        config=tmp_path / "config",
        networks=tmp_path / "networks",
        shared=tmp_path / "shared",
    )
    root.write()
    conf = tomllib.loads((tmp_path / "config/containers.conf").read_text())
    storage = tomllib.loads((tmp_path / "config/storage.conf").read_text())["storage"]
    assert conf["engine"]["lock_type"] == "file"  # the other type is shared by all podmans of a computer
    assert conf["engine"]["runtime"] == "runc"
    assert conf["network"]["network_backend"] == "netavark"
    places = [
        conf["engine"]["static_dir"],
        conf["engine"]["tmp_dir"],
        conf["engine"]["volume_path"],
        conf["network"]["network_config_dir"],
        storage["graphroot"],
        storage["runroot"],
    ]
    assert all(Path(place).is_relative_to(tmp_path) for place in places)
    assert storage["options"]["additionalimagestores"] == [str(tmp_path / "shared")]


def test_a_podman_without_networks_leaves_none_in_the_computers_configuration(tmp_path):
    """Building images left /etc/containers/networks behind on a fresh computer."""
    root = PodmanRoot(tmp_path / "graph", tmp_path / "run", tmp_path / "config")
    root.write()
    found = tomllib.loads((tmp_path / "config/containers.conf").read_text())["network"]["network_config_dir"]
    assert Path(found).is_relative_to(tmp_path)
    assert Path(found).is_dir()


def test_command_cannot_reach_the_computers_own_podman(tmp_path):
    argv = PodmanRoot(tmp_path, tmp_path, tmp_path).command("ps")
    assert argv[0] == "env"
    assert f"CONTAINERS_STORAGE_CONF={tmp_path}/storage.conf" in argv
    assert f"CONTAINERS_CONF={tmp_path}/containers.conf" in argv
    assert argv[-2:] == ["podman", "ps"]

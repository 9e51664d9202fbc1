"""Images of the test bed's Kubernetes in a real registry, pulled by real podman under their upstream names."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from testbed import registry
from testbed.kubernetes import contents
from testbed.kubernetes.images import Files, Image
from testbed.kubernetes.places import Trouble
from testbed.kubernetes.pushing import Registry

from ephemeral_castle.world.exec import LocalExec
from ephemeral_castle.world.images import ImageStore
from tests.e2e.registries import needs_registry, registry_in, start, stop
from tests.kubernetes.control import programs

pytestmark = [pytest.mark.machines, needs_registry, pytest.mark.evidence("real", "podman", "registry")]

MIRROR = """\
[[registry]]
location = "registry.k8s.io"
[[registry.mirror]]
location = "{host}"
insecure = true
"""


def tiny(room: Path, text: str) -> Image:
    """An image of one file."""
    program = room / "tool"
    program.write_text(text)
    return Image("registry.k8s.io/castle-test/tiny:v1", (Files({"etc/x": "x"}), Files({"tool": program})), ("/tool",))


async def test_an_image_is_pulled_by_podman_under_its_upstream_name(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with registry_in(room) as (host, _):
        image, here = tiny(room, "#!/bin/sh\n"), Registry(f"http://{host}")
        assert not here.holds(image)
        assert here.push(image)
        assert here.holds(image)
        assert not here.push(image)  # nothing was sent again
        (room / "mirror.conf").write_text(MIRROR.format(host=host))
        monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(room / "mirror.conf"))
        store = ImageStore(LocalExec(), room / "images")
        pinned = await store.pull(image.name, lambda text, **_: None)
        assert pinned == f"registry.k8s.io/castle-test/tiny@{image.digest}"
        code, seen = await store._podman("image", "inspect", pinned, timeout=60, env=())
        assert code == 0, seen
        (known,) = json.loads(seen)
        assert known["Config"]["Entrypoint"] == ["/tool"]
        assert known["RootFS"]["Layers"] == [layer.blob.digest for layer in image.layers]


def test_another_image_under_the_same_tag_takes_its_place(room: Path) -> None:
    with registry_in(room) as (host, _):
        here = Registry(f"http://{host}")
        old = tiny(room, "old")
        here.push(old)
        new = tiny(room, "new!")
        assert here.push(new)
        assert here.holds(new)
        assert not here.holds(old)


def test_a_registry_keeps_port_and_images_from_start_to_start(room: Path) -> None:
    directory, storage = room / "registry", room / "images"
    first = start(directory, storage)
    try:
        assert start(directory, storage) == first  # it runs: left alone
        image = tiny(room, "text")
        Registry(f"http://{first['address']}").push(image)
        stop(directory)
        stop(directory)
        assert not registry.answers(first["address"])
        with pytest.raises(Trouble, match="does not answer"):
            Registry(f"http://{first['address']}").holds(image)
        again = start(directory, storage)
        assert (again["address"], again["pid"] != first["pid"]) == (first["address"], True)
        assert Registry(f"http://{again['address']}").holds(image)
    finally:
        stop(directory)


def test_the_answer_of_another_registry_is_not_taken_for_ones_own(room: Path) -> None:
    first = start(room / "one", room / "images")
    try:
        with pytest.raises(AssertionError, match="something else listens at"):
            start(room / "two", room / "images", "--port", first["address"].rpartition(":")[2])
    finally:
        stop(room / "one")


def test_kubeadm_asks_for_these_names() -> None:
    built = programs()
    if "kubeadm" not in built:
        pytest.skip("kubeadm is not built: scripts/kubernetes programs kubeadm")
    version = next(each.reference for each in contents.CONTENTS if each.program == "kube-apiserver").rpartition(":")[2]
    listed = [str(built["kubeadm"]), "config", "images", "list", "--kubernetes-version", version]
    asked = subprocess.run(listed, capture_output=True, text=True, check=True, timeout=60).stdout.split()
    cluster = contents.needed(["cluster"])
    assert sorted(asked) == sorted(each.reference for each in contents.CONTENTS if each.program in cluster)

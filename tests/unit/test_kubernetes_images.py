"""Images of the test bed's Kubernetes: valid by the OCI format, the same bytes for the same files, upstream names."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import tarfile
from pathlib import Path

import pytest
from testbed.kubernetes import contents, debian, images
from testbed.kubernetes.images import Archive, Files, Image
from testbed.kubernetes.places import Trouble
from testbed.kubernetes.pushing import Registry

# What `kubeadm config images list --kubernetes-version v1.36.3` prints.
KUBEADM = {
    "registry.k8s.io/kube-apiserver:v1.36.3",
    "registry.k8s.io/kube-controller-manager:v1.36.3",
    "registry.k8s.io/kube-scheduler:v1.36.3",
    "registry.k8s.io/kube-proxy:v1.36.3",
    "registry.k8s.io/coredns/coredns:v1.14.2",
    "registry.k8s.io/pause:3.10.2",
    "registry.k8s.io/etcd:3.6.8-0",
}


def opened(layer: images.Layer) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(b"".join(layer.chunks())))


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "kubelet-abc"
    path.write_bytes(b"\x7fELF" + bytes(range(256)) * 9)  # no multiple of a block
    return path


def test_a_layer_is_a_tar_of_programs_texts_links_and_directories(program: Path) -> None:
    layer = Files({"usr/bin/tool": program, "etc/passwd": "root\n"}, {"bin/sh": "busybox"}, {"tmp": 0o1777})
    with opened(layer) as archive:
        found = {each.name: each for each in archive.getmembers()}
        assert list(found) == ["bin", "etc", "tmp", "usr", "usr/bin", "bin/sh", "etc/passwd", "usr/bin/tool"]
        tool = archive.extractfile("usr/bin/tool")
        assert tool is not None
        assert tool.read() == program.read_bytes()
    assert [found[name].mode for name in ("usr/bin", "tmp", "etc/passwd", "usr/bin/tool")] == [
        0o755,
        0o1777,
        0o644,
        0o755,
    ]
    assert (found["bin/sh"].issym(), found["bin/sh"].linkname) == (True, "busybox")
    assert {(each.uid, each.gid, each.mtime) for each in found.values()} == {(0, 0, 0)}
    content = b"".join(layer.chunks())
    assert layer.blob.size == len(content)
    assert len(content) % 512 == 0
    assert layer.blob.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_equal_files_make_equal_bytes(program: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.write_bytes(program.read_bytes())
    other.chmod(0o600)
    one = Image("h/p:1", (Files({"a/b": program, "c": "text"}),), ("/a/b",), labels={"x": "1", "y": "2"})
    two = Image("h/p:1", (Files({"c": "text", "a/b": other}),), ("/a/b",), labels={"y": "2", "x": "1"})
    assert one.digest == two.digest
    other.write_bytes(b"changed")
    assert Image("h/p:1", (Files({"a/b": other, "c": "text"}),), ("/a/b",)).digest != one.digest


def test_a_manifest_names_what_there_is(program: Path, tmp_path: Path) -> None:
    base = tmp_path / "base.tar"
    base.write_bytes(b"".join(Files({"etc/os-release": "debian"}).chunks()))
    image = Image("registry.k8s.io/a/b:v1", (Archive(base), Files({"b": program})), ("/b",), "65532:65532", {"k": "v"})
    manifest, config = json.loads(image.manifest), json.loads(image.config)
    assert (image.path, image.tag) == ("a/b", "v1")
    assert manifest["schemaVersion"] == 2
    assert manifest["config"]["digest"] == f"sha256:{hashlib.sha256(image.config).hexdigest()}"
    assert manifest["config"]["size"] == len(image.config)
    described = [(layer["mediaType"], layer["digest"], layer["size"]) for layer in manifest["layers"]]
    assert described == [(images.LAYER, layer.blob.digest, layer.blob.size) for layer in image.layers]
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]  # nothing is compressed
    assert len(config["history"]) == len(image.layers)
    assert config["os"] == "linux"
    assert config["architecture"] in ("amd64", "arm64")
    assert config["config"]["User"] == "65532:65532"
    assert config["config"]["Entrypoint"] == ["/b"]
    assert config["config"]["Labels"] == {"k": "v"}
    assert image.digest == f"sha256:{hashlib.sha256(image.manifest).hexdigest()}"


def test_names_are_those_that_kubeadm_asks_for() -> None:
    assert set(contents.references()) > KUBEADM
    cluster = {each.reference for each in contents.CONTENTS if each.program in contents.needed(["cluster"])}
    assert cluster == KUBEADM


def test_an_image_is_chosen_by_its_program() -> None:
    assert contents.needed(["pause", "busybox"]) == ["pause"]
    assert contents.needed(["busybox"]) == []
    assert contents.needed(["kubelet"]) == []  # runs on machines, in no image
    assert len(contents.needed([])) == len(contents.CONTENTS)
    with pytest.raises(Trouble, match="no program is called paus"):
        contents.needed(["paus"])


def test_a_mirror_is_asked_by_path_so_no_two_hosts_may_share_one() -> None:
    contents.apart(contents.references())
    with pytest.raises(Trouble, match="would lie under one path"):
        contents.apart(["docker.io/library/busybox:1", "ghcr.io/library/busybox:1"])


def test_an_image_of_one_program_says_what_it_is(program: Path) -> None:
    pause = next(each for each in contents.CONTENTS if each.program == "pause").image(program)
    assert images.tar_names(pause.layers[0]) == ["pause"]
    assert pause.entrypoint == ("/pause",)
    assert pause.labels["org.opencontainers.image.version"] == "v3.10.2"
    assert "not the vendor's own image" in pause.labels["org.opencontainers.image.description"]


def test_a_debian_root_is_packed_without_what_belongs_to_this_computer(tmp_path: Path) -> None:
    def packed(name: str, mtime: int, order: list[str]) -> Path:
        whole = tmp_path / f"{name}.tar"
        with tarfile.open(whole, "w") as archive:
            for path in order:
                entry = tarfile.TarInfo(path)
                entry.mtime, entry.uname = mtime, name
                if path.endswith(("bin", "dev", "etc")):
                    entry.type = tarfile.DIRTYPE
                elif path.endswith("null"):
                    entry.type = tarfile.CHRTYPE
                elif path.endswith("link"):
                    entry.type, entry.linkname = tarfile.LNKTYPE, "./bin/tool"
                else:
                    entry.size = 4
                archive.addfile(entry, io.BytesIO(b"tool"))
        debian.tidy(whole, tmp_path / f"{name}.tidied.tar")
        return tmp_path / f"{name}.tidied.tar"

    names = ["./bin", "./bin/tool", "./bin/alink", "./dev", "./dev/null", "./etc", "./etc/resolv.conf"]
    first = packed("one", 1, names)
    swapped = [*names[3:], *names[:3]]
    assert packed("two", 99, swapped).read_bytes() == first.read_bytes()
    with tarfile.open(first) as archive:
        assert archive.getnames() == ["bin", "bin/tool", "etc", "bin/alink"]
        assert archive.getmember("bin/alink").linkname == "bin/tool"


def test_a_registry_is_named_by_its_port_or_address() -> None:
    assert Registry("5000").url == "http://127.0.0.1:5000"
    assert Registry("http://10.0.0.1:5000/").url == "http://10.0.0.1:5000"
    for wrong in ("10.0.0.1:5000", "ftp://x", "http://x/path"):
        with pytest.raises(Trouble, match="names no registry"):
            Registry(wrong)


def test_a_registry_that_is_not_there_is_named_with_the_command_that_starts_one() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    image = Image("h/p:1", (Files({"c": "text"}),), ("/c",))
    with pytest.raises(Trouble, match=rf"http://127\.0\.0\.1:{port} does not answer: .*refused") as failed:
        Registry(str(port)).push(image)
    assert failed.value.hints == (f"python testbed/registry.py start DIR --port {port}",)

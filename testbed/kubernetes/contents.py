"""Which images a cluster asks for, and what is in each. The names are their vendors'; the content is built here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import debian, standins
from .images import Archive, Files, Image, Layer
from .places import Trouble
from .programs import BY_NAME, chosen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

CERTIFICATES = debian.Root(("ca-certificates",))
NFTABLES = debian.Root(("nftables", "conntrack"))
BUSYBOX = debian.Root(("busybox-static",))  # as Debian's dynamic one, its `wget -T` crashes; without -T it works
BUSYBOX_NAME, BUSYBOX_VERSION = "busybox", "1.35.0"  # of Debian 12
APPLETS = (
    "[ ash awk base64 basename cat chgrp chmod chown cmp cp cut date dd df diff dirname du echo egrep env expr false "
    "fgrep find free getopt grep groups gunzip gzip head hexdump hostid hostname httpd id ifconfig ip kill less ln ls "
    "md5sum mkdir mkfifo mknod mktemp more mount mv nc netstat nproc nslookup od paste ping ping6 printf ps pwd "
    "readlink realpath rev rm rmdir route sed seq sh sha256sum shuf sleep sort stat stty sync tac tail tar tee telnet "
    "test time timeout top touch tr traceroute true truncate tty umount uname uniq unxz unzip uptime usleep vi watch "
    "wc wget which whoami xargs xzcat yes zcat"
)
PASSWD = """\
root:x:0:0:root:/root:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin
"""
GROUP = "root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n"
BUILT = "Built from the vendor's Go module by the test bed of Ephemeral Castle; not the vendor's own image."


@dataclass(frozen=True)
class Content:
    """An image of one program.

    Attributes:
        program: name in `programs`.
        name: of the image, without its tag.
        path: where the program lies in it.
        tag: `{version}` stands for the program's own, `{bare}` for that without its v.
        user: `UID:GID`, or "" for root.
        root: what lies below it; None for certificates of public CAs, user names and /tmp.
        alone: whether nothing else lies in it.
    """

    program: str
    name: str
    path: str
    tag: str = "{version}"
    user: str = ""
    root: debian.Root | None = None
    alone: bool = False

    @property
    def reference(self) -> str:
        """Its name and tag."""
        version = BY_NAME[self.program].version
        return f"{self.name}:{self.tag.format(version=version, bare=version.removeprefix('v'))}"

    def image(self, program: Path) -> Image:
        """The image.

        Args:
            program: the file.
        """
        own: Layer = Files({self.path: program})
        below: tuple[Layer, ...] = ()
        if self.root is not None:
            below = (Archive(self.root.ensure()),)
        elif not self.alone:
            below = (_base(),)
        version = BY_NAME[self.program].version
        labels = {"org.opencontainers.image.version": version, "org.opencontainers.image.description": BUILT}
        return Image(self.reference, (*below, own), (f"/{self.path}",), self.user, labels)


def _kubernetes(name: str, root: debian.Root | None = None) -> Content:
    return Content(name, f"registry.k8s.io/{name}", f"usr/local/bin/{name}", root=root)


CONTENTS = (
    _kubernetes("kube-apiserver"),
    _kubernetes("kube-controller-manager"),
    _kubernetes("kube-scheduler"),
    _kubernetes("kube-proxy", NFTABLES),
    Content("etcd", "registry.k8s.io/etcd", "usr/local/bin/etcd", "{bare}-0"),
    Content("coredns", "registry.k8s.io/coredns/coredns", "coredns"),
    Content("pause", "registry.k8s.io/pause", "pause", "{bare}", "65535:65535", alone=True),
    Content(
        "kustomize-controller", "ghcr.io/fluxcd/kustomize-controller", "usr/local/bin/kustomize-controller",
        user="65532:65532",
    ),
    Content(
        "cert-manager-controller", "quay.io/jetstack/cert-manager-controller", "app/cmd/controller/controller",
        user="1000:1000",
    ),
    Content("local-path-provisioner", "docker.io/rancher/local-path-provisioner", "usr/bin/local-path-provisioner"),
)  # fmt: skip
# Of the demo's walls; what they serve comes from its Git repository.
WALLS = {
    "localhost/blog:1": debian.Root(("python3-minimal", "python3-bottle", "python3-waitress", "python3-psycopg2")),
    "localhost/caddy:1": debian.Root(("caddy",)),
}
WALLS_NAME = "walls"
HELPER = f"docker.io/library/{BUSYBOX_NAME}:{BUSYBOX_VERSION}"


def _base() -> Layer:
    """What programs of Go look for: certificates of public CAs, names of users, and /tmp."""
    bundle = debian.certificates(CERTIFICATES.ensure())
    files = {"etc/ssl/certs/ca-certificates.crt": bundle, "etc/passwd": PASSWD, "etc/group": GROUP}
    return Files(files, directories={"tmp": 0o1777, "home/nonroot": 0o755})


def helper() -> Image:
    """A shell with the usual tools: local-path-provisioner's helper, and whoever looks round in a cluster."""
    links = Files(
        {"etc/passwd": PASSWD, "etc/group": GROUP},
        {f"bin/{applet}": "busybox" for applet in APPLETS.split()},
        {"tmp": 0o1777, "root": 0o700},
    )
    said = {
        "org.opencontainers.image.version": BUSYBOX_VERSION,
        "org.opencontainers.image.description": "Debian's busybox",
    }
    return Image(HELPER, (Archive(BUSYBOX.ensure()), links), ("/bin/sh",), labels=said)


def references() -> list[str]:
    """The names of all images that can be made."""
    return [
        *(content.reference for content in CONTENTS),
        HELPER,
        *WALLS,
        *(each.reference for each in standins.STANDINS),
    ]


def needed(names: Iterable[str]) -> list[str]:
    """The programs that the images of these names hold.

    Args:
        names: programs, the group of a bare cluster, `busybox`, `walls`, or stand-ins; without one, all.

    Raises:
        Trouble: nothing is called so.
    """
    names = list(names)
    held = {content.program for content in CONTENTS}
    of_programs = [each for each in names if each not in (BUSYBOX_NAME, WALLS_NAME, *standins.BY_NAME)]
    wanted = chosen(of_programs) if of_programs or not names else []
    return [program.name for program in wanted if program.name in held]


def images(names: Iterable[str], programs: Mapping[str, Path]) -> list[Image]:
    """The images themselves.

    Args:
        names: as for `needed`.
        programs: name to file, of at least those that are needed.

    Raises:
        Trouble: Debian's packages cannot be had, or nothing is called so.
    """
    names = list(names)
    wanted = set(needed(names))
    made = [content.image(programs[content.program]) for content in CONTENTS if content.program in wanted]
    if not names or BUSYBOX_NAME in names:
        made.append(helper())
    if not names or WALLS_NAME in names:
        made += [
            Image(name, (Archive(root.ensure()), Files({}, directories={"tmp": 0o1777})), ())
            for name, root in WALLS.items()
        ]
    made += [each.image() for each in standins.STANDINS if not names or each.name in names]
    return made


def apart(names: Iterable[str]) -> None:
    """Containerd asks its mirror for a path and only hints at the host: two hosts may not share a path.

    Raises:
        Trouble: they do.
    """
    seen: dict[str, str] = {}
    for name in sorted(names):
        other = seen.setdefault(name.partition("/")[2], name)
        if other != name:
            raise Trouble(f"{other} and {name} would lie under one path of the registry", "build only one of them")

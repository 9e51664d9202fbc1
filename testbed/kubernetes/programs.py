"""Which programs are built, from which Go module, and by which name their result lies in the cache.

Each folder beside this file is one Go module: its go.mod pins what is built, its go.sum the bytes of all of it.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .places import HERE, STORE, Trouble

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FORM = "1"  # of everything here and in building.py that changes what a build makes
CLUSTER = "cluster"  # the group of programs that a bare cluster needs


@dataclass(frozen=True)
class Program:
    """A program that no package registry carries ready-made.

    Attributes:
        name: of the program, and of its file.
        folder: the Go module beside this file that builds it.
        package: import path of its main; "." is the folder's own.
        module: the module in go.mod whose version it bears; for a main of our own that has none: the version.
        stamps: variables (import path and name) that the linker sets: to what `version_words` knows.
        asked: arguments by which it tells what it is, and ends.
        told: a part of what it then says; "" for its version.
        cpu: CPU-seconds that a cold build took, in the order of `PROGRAMS`; for the line that says how long it takes.
    """

    name: str
    folder: str
    package: str
    module: str
    stamps: tuple[tuple[str, str], ...] = ()
    asked: tuple[str, ...] = ("--version",)
    told: str = ""
    cpu: int = 0

    @property
    def directory(self) -> Path:
        """The folder of its Go module."""
        return HERE / self.folder

    @cached_property
    def version(self) -> str:
        """Its version as in go.mod: `v1.2.3`."""
        if self.module.startswith("v"):
            return self.module
        return module_version(self.directory / "go.mod", self.module)

    @property
    def ldflags(self) -> str:
        """What the linker is told: no symbol table, and the version."""
        words = version_words(self.version)
        return " ".join(["-s", "-w", *(f"-X {variable}={words[word]}" for variable, word in self.stamps)])

    def target(self, minor: str) -> Path:
        """The file that it is built to.

        Args:
            minor: of the Go that builds (`1.26`).
        """
        return STORE / "programs" / f"{self.name}-{self.digest(minor)}"

    def digest(self, minor: str) -> str:
        """Twelve hex digits over all that decides what is built."""
        digest = hashlib.sha256()
        inputs = [FORM, minor, platform.machine(), self.name, self.package, self.ldflags]
        digest.update(json.dumps(inputs).encode())
        for path in sources(self.directory):
            digest.update(f"\0{path.relative_to(self.directory)}\0".encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()[:12]


def sources(directory: Path) -> list[Path]:
    """The files of a module that decide what it builds, in order."""
    found = [path for path in directory.rglob("*") if path.name in ("go.mod", "go.sum") or path.suffix == ".go"]
    return sorted(found)


def module_version(file: Path, module: str) -> str:
    """The version that a go.mod requires of a module.

    Raises:
        Trouble: it requires none.
    """
    found = re.search(rf"^(?:require|\t)\s*{re.escape(module)} (v\S+)", file.read_text(), re.MULTILINE)
    if not found:
        raise Trouble(f"{file} requires no {module}", f"cd {file.parent} && go mod tidy")
    return found[1]


def version_words(version: str) -> dict[str, str]:
    """What a linker stamp may say of a version `v1.2.3`: itself, without its v, its parts, and that it is no patch."""
    bare = version.removeprefix("v")
    major, minor = [*bare.split("."), "", ""][:2]
    return {"version": version, "bare": bare, "major": major, "minor": minor, "clean": "clean"}


def _kubernetes(name: str, cpu: int, *asked: str) -> Program:
    """A program of Kubernetes itself: without the stamps it would call itself v0.0.0-master, which clients misjudge."""
    base, client = "k8s.io/component-base/version", "k8s.io/client-go/pkg/version"
    words = (("gitVersion", "version"), ("gitMajor", "major"), ("gitMinor", "minor"), ("gitTreeState", "clean"))
    stamps = tuple((f"{where}.{variable}", word) for where in (base, client) for variable, word in words)
    package = f"k8s.io/kubernetes/cmd/{name}"
    return Program(name, "kubernetes", package, "k8s.io/kubernetes", stamps, asked or ("--version",), cpu=cpu)


ETCD = "go.etcd.io/etcd/server/v3"
FLUX = "github.com/fluxcd/kustomize-controller"
CERT_MANAGER = "github.com/cert-manager/cert-manager"
LOCAL_PATH = "github.com/rancher/local-path-provisioner"

# In this order: what a first cluster needs comes first.
PROGRAMS = (
    _kubernetes("kubelet", 376),
    _kubernetes("kubeadm", 30, "version", "--output=short"),
    _kubernetes("kubectl", 35, "version", "--client"),
    # In the module of Kubernetes: that names the etcd that it was tested with, and most packages are shared.
    Program("etcd", "kubernetes", ETCD, ETCD, cpu=15),
    _kubernetes("kube-apiserver", 118),
    _kubernetes("kube-controller-manager", 48),
    _kubernetes("kube-scheduler", 6),
    _kubernetes("kube-proxy", 11),
    Program("coredns", "coredns", ".", "github.com/coredns/coredns", asked=("-version",), cpu=113),
    Program("pause", "pause", ".", "v3.10.2", (("main.version", "bare"),), ("-v",), cpu=1),
    Program("kustomize-controller", "flux", FLUX, FLUX, (), ("--help",), "--requeue-dependency", 276),
    Program(
        "cert-manager-controller", "cert-manager", "./controller", CERT_MANAGER,
        ((f"{CERT_MANAGER}/pkg/util.AppVersion", "version"),), cpu=197,
    ),
    Program("local-path-provisioner", "local-path", LOCAL_PATH, LOCAL_PATH, (("main.VERSION", "version"),), cpu=111),
)  # fmt: skip
BY_NAME = {program.name: program for program in PROGRAMS}
GROUPS = {CLUSTER: tuple(program.name for program in PROGRAMS[:10])}


def chosen(names: Iterable[str]) -> list[Program]:
    """The programs of these names and groups, in the order of `PROGRAMS`; all of them without a name.

    Raises:
        Trouble: nothing is called so.
    """
    wanted = {each for name in names for each in GROUPS.get(name, (name,))}
    unknown = sorted(wanted - set(BY_NAME))
    if unknown:
        raise Trouble(f"no program is called {', '.join(unknown)}", f"there are: {', '.join([*GROUPS, *BY_NAME])}")
    return [program for program in PROGRAMS if not wanted or program.name in wanted]

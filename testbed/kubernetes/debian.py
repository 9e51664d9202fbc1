"""Small roots of unpacked Debian packages, for images that need more than one static program. Made once, by mmdebstrap.

Source: mmdebstrap(1), variant `extract`: packages and what they depend on are unpacked, and nothing of them is run.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ephemeral_castle.world.apt_sources import host_sources

from .places import STORE, Trouble, say

FORM = "1"  # of everything here that changes what a root holds
SUITE = "bookworm"
SECONDS = 600.0
# What no program reads, and what mmdebstrap takes over from this computer.
LEFT_OUT = (
    "dev", "etc/apt", "etc/fstab", "etc/hostname", "etc/resolv.conf", "proc", "run", "sys", "usr/share/bug",
    "usr/share/doc", "usr/share/lintian", "usr/share/locale", "usr/share/man", "var/cache", "var/lib/apt",
    "var/lib/dpkg", "var/log",
)  # fmt: skip


@dataclass(frozen=True)
class Root:
    """What lies in a root: Debian packages, and what they depend on.

    Attributes:
        packages: their names; the first also names the root.
        suite: of Debian.
        without: shell patterns of paths that are left out beside what no program reads.
    """

    packages: tuple[str, ...]
    suite: str = SUITE
    without: tuple[str, ...] = ()

    @property
    def target(self) -> Path:
        """The archive that it is packed to."""
        inputs: list[object] = [FORM, self.suite, LEFT_OUT, self.packages]
        text = json.dumps([*inputs, self.without] if self.without else inputs)
        return STORE / "roots" / f"{self.packages[0]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.tar"

    def ensure(self) -> Path:
        """The archive, made when it is missing.

        Raises:
            Trouble: packages cannot be had.
        """
        if self.target.exists():
            return self.target
        say(f"unpacking Debian packages: {', '.join(self.packages)}")
        self.target.parent.mkdir(parents=True, exist_ok=True)
        room = Path(tempfile.mkdtemp(prefix="root.", dir=self.target.parent))
        try:
            self._unpack(room / "whole.tar")
            tidy(room / "whole.tar", room / "root.tar", self.without)
            (room / "root.tar").replace(self.target)
        finally:
            shutil.rmtree(room, ignore_errors=True)
        return self.target

    def _unpack(self, archive: Path) -> None:
        command = ["mmdebstrap", "--variant=extract", "--format=tar", f"--include={','.join(self.packages)}"]
        try:
            made = subprocess.run(
                [*command, self.suite, str(archive), *host_sources(self.suite)],
                env={**os.environ, "TMPDIR": str(archive.parent)},
                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=SECONDS,
            )  # fmt: skip
        except (FileNotFoundError, subprocess.TimeoutExpired) as error:
            raise Trouble(f"Debian packages {self.packages} could not be unpacked: {error}", "make setup") from error
        if made.returncode != 0:
            last = "\n".join(made.stderr.strip().splitlines()[-8:])
            raise Trouble(
                f"Debian packages {', '.join(self.packages)} could not be unpacked:\n{last}", "apt-get update"
            )


def tidy(whole: Path, tidied: Path, without: tuple[str, ...] = ()) -> None:
    """Packs an archive again: without what is left out, in order, dated 1970, everything in the hands of root.

    Args:
        whole: as mmdebstrap made it.
        tidied: where to.
        without: shell patterns of further paths that are left out; `*` stands for slashes, too.
    """
    with tarfile.open(whole) as old, tarfile.open(tidied, "w", format=tarfile.GNU_FORMAT) as new:
        # A hard link comes after the file that it means.
        for entry in sorted(old.getmembers(), key=lambda each: (each.islnk(), each.name)):
            entry.name = entry.name.removeprefix("./")
            if entry.islnk():
                entry.linkname = entry.linkname.removeprefix("./")
            if entry.name in ("", ".") or _left_out(entry.name, without) or entry.isdev():
                continue
            entry.mtime, entry.pax_headers = 0, {}
            entry.uname = entry.gname = "root"
            new.addfile(entry, old.extractfile(entry) if entry.isreg() else None)


def _left_out(name: str, without: tuple[str, ...]) -> bool:
    always = any(name == each or name.startswith(f"{each}/") for each in LEFT_OUT)
    return always or any(fnmatch.fnmatchcase(name, each) for each in without)


def certificates(root: Path) -> str:
    """The certificates of public CAs in the archive of a root with the package ca-certificates, one after another."""
    with tarfile.open(root) as archive:
        names = sorted(name for name in archive.getnames() if name.endswith(".crt"))
        files = [archive.extractfile(name) for name in names]
        return "".join(file.read().decode() for file in files if file is not None)

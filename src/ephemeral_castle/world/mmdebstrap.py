"""The command that makes a root file system from a recipe, and what its output means.

Source: mmdebstrap(1) 1.3, apt-get(8).
"""

from __future__ import annotations

import hashlib
import json
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ephemeral_castle.spi.world import Recipe

VERSION = "1"  # of everything here that changes what an image holds
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What mmdebstrap says when a phase begins, and what people read.
PHASES = {
    "running apt-get update": "reading package lists",
    "downloading packages": "downloading the base system",
    "extracting archives": "unpacking the base system",
    "installing essential packages": "installing the base system",
    "installing remaining packages": "installing packages",
    "running --customize-hook": "adding files",
    "cleaning package lists": "cleaning up",
    "creating tarball": "packing",
}


def digest(recipe: Recipe) -> str:
    """Twelve hex digits over everything that goes into an image."""
    text = json.dumps({"recipe": asdict(recipe), "version": VERSION}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def command(recipe: Recipe, directory: Path, sources: Sequence[str]) -> list[str]:
    """The command line; the result is `directory`/root.tar.

    Args:
        recipe: what goes in.
        directory: where `stage` has put the files; also receives the temporary root.
        sources: one-line apt sources; empty = Debian's own mirrors.
    """
    return [
        "mmdebstrap",
        "--variant=essential",
        "--format=tar",
        '--aptopt=APT::Install-Recommends "false"',
        '--aptopt=Acquire::Retries "3"',
        *_first(recipe),
        f"--include={','.join(recipe.packages)}",
        f'--customize-hook=sh {shlex.quote(str(directory / "customize.sh"))} "$1"',
        recipe.suite,
        str(directory / "root.tar"),
        *sources,
    ]


def _first(recipe: Recipe) -> list[str]:
    """What must be whole before other packages: their scripts call groupadd without naming the package it is in."""
    if "passwd" not in recipe.packages:
        return []
    install = 'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get --yes install -oDPkg::Chroot-Directory="$1" passwd'
    return [f"--essential-hook={install}"]


def stage(recipe: Recipe, directory: Path) -> None:
    """Writes the files of the recipe and the script that puts them into the new root, in order.

    The script works by chroot: a link in the new root (/var/run points to /run) can never lead out of it.
    """
    lines = ["set -eu"]
    for number, (path, content) in enumerate(sorted(recipe.files.items())):
        source = directory / f"file{number}"
        source.write_text(content)
        target = "/" + path.lstrip("/")
        mode = "0755" if content.startswith("#!") else "0644"
        inside = 'mkdir -p "$(dirname "$1")"; cat > "$1"; chmod "$2" "$1"'
        lines.append(f'chroot "$1" sh -euc {shlex.quote(inside)} sh {shlex.quote(target)} {mode} < {source.name}')
    lines += [f'chroot "$1" sh -euc {shlex.quote(line)}' for line in recipe.commands]
    script = f"cd {shlex.quote(str(directory))}\n" + "\n".join(lines) + "\n"
    (directory / "customize.sh").write_text(script)


def phase(line: str) -> tuple[int, str] | None:
    """The number (from 1) and name of the phase that a line of output begins, if it does."""
    text = line.removeprefix("I: ")
    for number, (sign, name) in enumerate(PHASES.items(), start=1):
        if text.startswith(sign):
            return number, name
    return None


def cause(lines: Sequence[str]) -> str:
    """The line that says why it failed: of a package's script, apt's first error, else the last words.

    mmdebstrap's own errors ("apt-get failed", "run_chroot failed") only say that something did.
    """
    scripts = [number for number, line in enumerate(lines) if line.startswith("dpkg: error processing package")]
    if scripts:
        return " / ".join(lines[max(0, scripts[0] - 1) : scripts[0] + 1])
    errors = [line.removeprefix("E: ") for line in lines if line.startswith("E: ")]
    telling = [error for error in errors if " failed" not in error and "exited with" not in error]
    if telling:
        return "; ".join(dict.fromkeys(telling[:3]))
    said = [line for line in lines if line.strip() and not line.startswith("I: ")]
    return " / ".join(said[-3:]) or "mmdebstrap did not say why"

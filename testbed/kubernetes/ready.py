"""Programs that their vendor publishes ready-made: taken by pinned digest instead of being built, where that works.

`ready.json` beside this file holds the digests, each for one version and one kind of computer. A program without one
is built, and so is one whose server cannot be reached; one whose bytes are not those of its digest is refused.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import platform
import urllib.error
import urllib.request
from typing import IO, TYPE_CHECKING

from .places import HERE, Trouble, say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .programs import Program

VENDOR = "https://dl.k8s.io/release"  # Kubernetes' own; of the others none publishes plain programs
MODULE = "k8s.io/kubernetes"
PINNED = HERE / "ready.json"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PATIENCE = 10  # seconds for each answer of the vendor
PIECE = 1 << 20  # bytes that are hashed at once


def take(program: Program, made: Path) -> bool:
    """Fetches a program to a file; False where no digest is pinned for it, or its server cannot be reached.

    Raises:
        Trouble: what came is not what was pinned.
    """
    wanted = _pins().get(_name(program))
    if not wanted:
        return False
    try:
        found = _fetch(_url(program), made)
    except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
        made.unlink(missing_ok=True)
        say(f"{program.name} {program.version} could not be fetched ready-made ({error}): it is built instead")
        return False
    if found != wanted:
        made.unlink()
        raise Trouble(
            f"{_url(program)} has the digest {found}, and {wanted} is pinned in {PINNED}; nothing was installed",
            "somebody on the way, or at the vendor, changed it: do not use it until you know why",
            f"to build it instead, take its line out of {PINNED}",
        )
    made.chmod(0o755)
    say(f"{program.name} {program.version} fetched ready-made, digest as pinned")
    return True


def pin(programs: Sequence[Program], room: Path) -> list[str]:
    """Writes the digests that the vendor publishes, each compared with the bytes that come; gives what was pinned.

    Args:
        programs: those of other vendors are left out.
        room: a directory for what comes.

    Raises:
        Trouble: the vendor cannot be reached, or its digest is not that of its program.
    """
    pins = _pins()
    named = []
    for program in programs:
        if program.module != MODULE:
            continue
        url = _url(program)
        try:
            with _open(f"{url}.sha256") as answer:
                told = answer.read(200).decode().split()[0]
            found = _fetch(url, room / program.name)
        except (urllib.error.URLError, OSError, http.client.HTTPException, IndexError, UnicodeDecodeError) as error:
            raise Trouble(f"{url} could not be looked at: {error}; nothing was pinned") from None
        (room / program.name).unlink()
        if found != told:
            raise Trouble(f"{url} has the digest {found}, and its vendor says {told}; nothing was pinned")
        pins[_name(program)] = found
        named.append(_name(program))
    PINNED.write_text(json.dumps(pins, indent=2, sort_keys=True) + "\n")
    return named


def _pins() -> dict[str, str]:
    return dict(json.loads(PINNED.read_text()))


def _architecture() -> str:
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def _name(program: Program) -> str:
    return f"{program.name} {program.version} {_architecture()}"


def _url(program: Program) -> str:
    return f"{VENDOR}/{program.version}/bin/linux/{_architecture()}/{program.name}"


def _open(url: str) -> IO[bytes]:
    answer: IO[bytes] = urllib.request.urlopen(url, timeout=PATIENCE)
    return answer


def _fetch(url: str, target: Path) -> str:
    """The bytes, into a file; gives their digest."""
    digest = hashlib.sha256()
    with _open(url) as answer, target.open("wb") as file:
        while piece := answer.read(PIECE):
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()

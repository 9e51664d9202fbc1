"""What machines in containers need of this computer, looked at for `doctor`."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ephemeral_castle.errors import CastleError, NotFound
from ephemeral_castle.spi.driver import Check
from ephemeral_castle.world.computer import memory
from ephemeral_castle.world.exec import LocalExec, base_environment

if TYPE_CHECKING:
    from ephemeral_castle.spi.world import Exec

SECTION = "machines on this computer"
NETAVARK = "/usr/lib/podman/netavark"  # where Debian and Fedora (under libexec) keep it, outside of PATH
# title, command that tells the version, Debian package
PROGRAMS = (
    ("podman", ("podman", "--version"), "podman"),
    ("netavark", (NETAVARK, "--version"), "netavark"),
    ("runc", ("runc", "--version"), "runc"),
    ("iptables", ("iptables", "--version"), "iptables"),  # netavark 1.4 calls it for every container
    ("mmdebstrap", ("mmdebstrap", "--version"), "mmdebstrap"),
    ("ip", ("ip", "-V"), "iproute2"),
    ("nsenter", ("nsenter", "--version"), "util-linux"),
    ("ssh", ("ssh", "-V"), "openssh-client"),
)
MEMORY_NEEDED = 4 * 1024**3  # bytes: the three machines of the smallest castle
# Everything that a machine in a container does to the kernel, undone when the namespaces end with the shell.
NESTING = """
set -eu
mount -t tmpfs castle-probe "$1"
mkdir "$1/lower" "$1/upper" "$1/work" "$1/merged"
mount -t overlay castle-probe -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" "$1/merged"
ip link set lo up
ip link add castle-probe type bridge
ip link add castle-probe0 type veth peer name castle-probe1
iptables --table nat --list-rules > /dev/null
mkdir "$1/proc"
mount -t proc proc "$1/proc"
"""


def require_programs() -> None:
    """Looks for the programs that every machine needs, without starting them.

    Raises:
        NotFound: some are missing; the hint is the command that installs them.
    """
    path = base_environment()["PATH"]
    missing = [package for _, argv, package in PROGRAMS if shutil.which(argv[0], path=path) is None]
    if missing:
        raise NotFound(
            f"{missing[0]} is not installed",
            why=f"castle makes machines with it; missing packages: {', '.join(missing)}",
            state="nothing was changed",
            hints=["castle doctor", f"apt-get install --no-install-recommends {' '.join(missing)}"],
        )


async def probe(exec_: Exec | None = None) -> list[Check]:
    """Root, programs with versions, whether machines can be nested, memory. Leaves nothing behind."""
    runner = exec_ or LocalExec()
    checks = [_root()]
    for title, argv, package in PROGRAMS:
        checks.append(await _program(runner, title, argv, package))
    checks.append(await _nesting(runner))
    checks.append(_memory())
    return checks


def _root() -> Check:
    root = os.geteuid() == 0
    fact = "root" if root else f"user id {os.geteuid()}; plan --offline and card work without root, machines do not"
    return Check("root", root, fact, "" if root else "sudo castle doctor", SECTION)


async def _program(exec_: Exec, title: str, argv: tuple[str, ...], package: str) -> Check:
    mend = f"apt-get install --no-install-recommends {package}"
    try:
        result = await exec_.run(argv, timeout=10.0)
    except CastleError as error:
        return Check(title, ok=False, fact=error.message, mend=mend, section=SECTION)
    found = re.search(r"\d+\.\d+(?:\.\d+)*(?:p\d+)?", result.out + result.err)
    if not result.ok:
        return Check(title, ok=False, fact=result.last_words(1), mend=mend, section=SECTION)
    version = found.group() if found else "version unknown"
    return Check(title, ok=True, fact=version, section=SECTION, data={"version": version})


async def _nesting(exec_: Exec) -> Check:
    """Makes the namespaces, mounts and links of a machine for a moment, instead of guessing from the kernel's name."""
    title = "machines inside containers"
    place = Path("/tmp") / f"castle-probe-{secrets.token_hex(4)}"
    place.mkdir(mode=0o700)
    try:
        argv = ["unshare", "--mount", "--net", "--pid", "--fork", "--propagation", "private"]
        result = await exec_.run([*argv, "sh", "-c", NESTING, "sh", str(place)], timeout=20.0)
    except CastleError as error:
        return Check(title, ok=False, fact=f"{error.message}: {error.why}", section=SECTION)
    finally:
        place.rmdir()
    if result.ok:
        return Check(title, ok=True, fact="namespaces, overlay, bridge, veth and nat work", section=SECTION)
    fact = f"not possible here: {result.last_words(1)}"
    mend = "run castle as root on a computer or virtual machine of its own (a container needs --privileged)"
    return Check(title, ok=False, fact=fact, mend=mend, section=SECTION)


def _memory() -> Check:
    total, available = memory()
    fact = f"{available // 2**20} MiB of {total // 2**20} MiB available"
    enough = True if available >= MEMORY_NEEDED else None
    mend = "" if enough else "lower the memory of the machines in castle.yaml, or end other programs"
    return Check("memory", enough, fact, mend, SECTION, {"available": available, "total": total})

from __future__ import annotations

from typing import TYPE_CHECKING

from ephemeral_castle.errors import Permanent
from ephemeral_castle.spi.world import Result
from ephemeral_castle.world.podman_probe import probe
from tests.unit.world.scripted import ScriptedExec

if TYPE_CHECKING:
    from ephemeral_castle.spi.driver import Check


async def by_title(missing: str = "", nesting: Result | None = None) -> dict[str, Check]:
    def answer(argv: list[str]) -> Result:
        if argv[0].rpartition("/")[2] == missing:
            raise Permanent(f"{argv[0]} is not installed")
        if argv[0] == "unshare":
            return nesting or Result(0, "", "")
        return Result(0, f"{argv[0]} version 4.3.1\n", "")

    return {check.title: check for check in await probe(ScriptedExec(answer))}


async def test_programs_are_told_with_their_versions():
    checks = await by_title()
    for title in ("podman", "netavark", "runc", "iptables", "mmdebstrap", "ip", "nsenter", "ssh"):
        assert checks[title].ok is True
        assert checks[title].fact == "4.3.1"
    assert checks["machines inside containers"].ok is True


async def test_a_missing_program_has_the_command_that_mends_it():
    checks = await by_title("netavark")
    assert checks["netavark"].ok is False
    assert checks["netavark"].mend == "apt-get install --no-install-recommends netavark"
    assert (await by_title("ip"))["ip"].mend.endswith("iproute2")


async def test_no_nesting_says_why():
    said = "mount: /tmp/x: permission denied."
    check = (await by_title(nesting=Result(32, "", said)))["machines inside containers"]
    assert check.ok is False
    assert said in check.fact
    assert check.mend


async def test_memory_is_told_in_bytes():
    check = (await by_title())["memory"]
    assert 0 < check.data["available"] <= check.data["total"]

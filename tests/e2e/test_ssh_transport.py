from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ephemeral_castle.errors import Denied, Unreachable
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.exec import LocalExec
from ephemeral_castle.world.images import ImageStore
from ephemeral_castle.world.ssh_transport import SshPeer, SshTransport, fingerprint
from ephemeral_castle.world.transport import podman_transport
from tests.e2e.conftest import TINY

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", "podman", "openssh")]
EXEC = LocalExec()
IMAGE = ImageStore(EXEC).reference(TINY)
MEMORY = Path("/dev/shm")
ADDRESS = "10.89.77.21"
# The key comes by standard input, sshd stays in the foreground as the machine's first process.
START = (
    "mkdir -p -m 700 /run/sshd /root/.ssh; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key;"
    "exec /usr/sbin/sshd -D -e -o PidFile=none -o UsePAM=no"
)


def keys_in_memory() -> list[Path]:
    return list(MEMORY.glob("castle-ssh-*/key"))


async def keys(room: Path, name: str) -> tuple[Secret, str]:
    await EXEC.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(room / name)])
    return Secret((room / name).read_text()), (room / f"{name}.pub").read_text()


@pytest.fixture
async def server(castle, room):
    """A machine with sshd: its host key, and a private key that it accepts."""
    options = ("run", "-d", "--name", "ssh", "--privileged", "--network", castle.network, "--ip", ADDRESS)
    result = await EXEC.run(castle.podman(*options, IMAGE, "sh", "-c", START))
    assert result.ok, result
    inside = podman_transport(EXEC, castle, "ssh")
    key, public = await keys(room, "key")
    await inside.run(["sh", "-c", "umask 077; cat > /root/.ssh/authorized_keys"], stdin=public.encode())
    for _ in range(200):
        found = await inside.run(["cat", "/etc/ssh/ssh_host_ed25519_key.pub"])
        if found.ok and found.out.endswith("\n"):
            return found.out, key
        await asyncio.sleep(0.02)
    raise AssertionError("sshd did not start")


@pytest.fixture
async def connect(castle):
    made: list[SshTransport] = []

    def make(host_key: str, key: Secret, address: str = ADDRESS) -> SshTransport:
        made.append(SshTransport(EXEC, SshPeer(address, "root", host_key), key, castle.enter))
        return made[-1]

    yield make
    for transport in made:
        await transport.close()
    assert keys_in_memory() == []


async def patiently(transport: SshTransport, *argv: str):
    """The first command, while sshd may still be starting."""
    for _ in range(50):
        try:
            return await transport.run(argv)
        except Unreachable:
            await asyncio.sleep(0.1)
    return await transport.run(argv)


async def test_the_same_protocol_as_podman_exec(server, connect):
    transport = connect(*server)
    assert (await patiently(transport, "echo", "a b", "$HOME", "it's")).out == "a b $HOME it's\n"
    assert (await transport.run(["cat"], stdin=b"\x00bytes")).out == "\x00bytes"
    for code in (0, 3, 127, 255):
        assert (await transport.run(["sh", "-c", f"exit {code}"])).code == code
    session = await transport.spawn(["cat"])
    await session.write("line\n")
    assert await session.read_line(5) == "line"
    assert await session.close() == 0


async def test_commands_share_one_connection(server, connect):
    transport = connect(*server)
    await patiently(transport, "true")
    results = await asyncio.gather(*(transport.run(["sh", "-c", "echo $SSH_CONNECTION"]) for _ in range(5)))
    assert len({result.out for result in results}) == 1


async def test_another_host_key_is_denied_and_both_are_named(server, connect, room):
    host_key, key = server
    _, other = await keys(room, "other")
    await patiently(connect(host_key, key), "true")
    with pytest.raises(Denied) as caught:
        await connect(other, key).run(["true"])
    assert fingerprint(other) in caught.value.why
    assert fingerprint(host_key) in caught.value.why


async def test_a_key_that_is_not_ours_is_denied(server, connect, room):
    host_key, key = server
    other, _ = await keys(room, "other")
    await patiently(connect(host_key, key), "true")
    with pytest.raises(Denied, match="refuses our key"):
        await connect(host_key, other).run(["true"])


async def test_a_machine_that_dies_is_unreachable_and_found_again(server, connect, castle):
    transport = connect(*server)
    await patiently(transport, "true")
    running = asyncio.create_task(transport.run(["sleep", "100"]))
    await asyncio.sleep(0.3)
    await EXEC.run(castle.podman("restart", "-t", "0", "ssh"))
    # A container's second start keeps its host key: START makes one only where there is none.
    with pytest.raises(Unreachable):
        await running
    assert (await patiently(transport, "echo", "back")).out == "back\n"


async def test_nobody_at_the_address(server, connect):
    host_key, key = server
    with pytest.raises(Unreachable):
        await connect(host_key, key, "10.89.77.99").run(["true"])

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ephemeral_castle.errors import Denied, Unreachable
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.spi.world import Result
from ephemeral_castle.world.memory_files import mount_types
from ephemeral_castle.world.ssh_transport import SshPeer, SshTransport, fingerprint
from tests.unit.world.scripted import ScriptedExec

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICNTqlIuGoxDDqJg/7To4OvSpnLJIPWXJmxvBjdycjSV root@m"
EXPECTED = "SHA256:KEn4LGTR009hnDfF0je0R77EtmlE5UAmSxkIYp451IY"
PEER = SshPeer("10.0.0.9", "root", HOST_KEY, 2222)
CHANGED = """@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
The fingerprint for the ED25519 key sent by the remote host is
SHA256:dGhpcyBpcyBub3QgdGhlIGtleSB5b3Ugc2Vlaw.
Host key verification failed.
"""


def option(argv: list[str], name: str) -> str:
    return next(part.partition("=")[2] for part in argv if part.startswith(f"{name}="))


class Server:
    """What ssh would do: a master makes the control socket, commands answer `result`."""

    def __init__(self, *, master: Result | None = None, result: Result | None = None, connected: bool = True) -> None:
        self.master = master or Result(0, "", "")
        self.result = result or Result(0, "hello\n", "")
        self.connected = connected
        self.seen: dict[str, object] = {}
        self.commands: list[list[str]] = []

    def __call__(self, argv: list[str]) -> Result:
        socket = Path(option(argv, "ControlPath"))
        if "-N" in argv:
            key = Path(option(argv, "IdentityFile"))
            self.seen["key"] = key.read_text()
            self.seen["key mode"] = stat.S_IMODE(key.stat().st_mode)
            self.seen["directory mode"] = stat.S_IMODE(key.parent.stat().st_mode)
            self.seen["directory"] = key.parent
            self.seen["known"] = Path(option(argv, "UserKnownHostsFile")).read_text()
            if self.master.ok:
                socket.touch()
            return self.master
        if "-O" in argv:
            return Result(0 if self.connected else 255, "", "")
        self.commands.append(argv)
        return self.result


def transport(server: Server) -> tuple[SshTransport, ScriptedExec]:
    exec_ = ScriptedExec(server)
    return SshTransport(exec_, PEER, Secret("PRIVATE KEY"), lambda argv: ["enter", *argv]), exec_


async def test_quotes_the_command_for_the_other_side():
    server = Server()
    way, _ = transport(server)
    await way.run(["echo", "a b", "$HOME"])
    assert server.commands[0][-2:] == ["10.0.0.9", "echo 'a b' '$HOME'"]
    assert server.commands[0][0] == "enter"
    await way.close()


async def test_one_connection_for_all_commands():
    way, exec_ = transport(Server())
    await way.run(["true"])
    await way.run(["true"])
    assert sum("-N" in argv for argv in exec_.calls) == 1
    await way.close()


async def test_key_is_in_memory_for_the_handshake_only():
    server = Server()
    way, exec_ = transport(server)
    await way.run(["true"])
    directory = server.seen["directory"]
    assert isinstance(directory, Path)
    assert mount_types()[str(directory.parent)] == "tmpfs"
    assert (server.seen["key mode"], server.seen["directory mode"]) == (0o600, 0o700)
    assert server.seen["key"] == "PRIVATE KEY\n"
    assert not (directory / "key").exists()
    assert not any("PRIVATE" in part for argv in exec_.calls for part in argv)
    await way.close()
    assert not directory.exists()


async def test_checks_the_host_key_it_was_given():
    server = Server()
    way, exec_ = transport(server)
    await way.run(["true"])
    master = next(argv for argv in exec_.calls if "-N" in argv)
    assert "StrictHostKeyChecking=yes" in master
    assert "BatchMode=yes" in master
    assert server.seen["known"] == f"castle-machine {' '.join(HOST_KEY.split()[:2])}\n"
    await way.close()


async def test_another_host_key_names_both():
    way, _ = transport(Server(master=Result(255, "", CHANGED)))
    with pytest.raises(Denied) as caught:
        await way.run(["true"])
    assert EXPECTED in caught.value.why
    assert "SHA256:dGhpcyBpcyBub3QgdGhlIGtleSB5b3Ugc2Vlaw" in caught.value.why


async def test_refused_key_is_denied():
    way, _ = transport(Server(master=Result(255, "", "root@10.0.0.9: Permission denied (publickey).")))
    with pytest.raises(Denied, match="refuses our key"):
        await way.run(["true"])


async def test_nobody_answers():
    said = "ssh: connect to host 10.0.0.9 port 2222: Connection refused"
    way, _ = transport(Server(master=Result(255, "", said)))
    with pytest.raises(Unreachable) as caught:
        await way.run(["true"])
    assert "Connection refused" in caught.value.why


async def test_255_of_the_command_is_a_result_and_of_the_connection_is_not():
    failed = Result(255, "", "Error: container state improper")
    way, _ = transport(Server(result=failed))
    assert await way.run(["podman", "exec"]) == failed
    await way.close()
    way, _ = transport(Server(result=failed, connected=False))
    with pytest.raises(Unreachable, match="broke"):
        await way.run(["podman", "exec"])
    await way.close()


def test_fingerprint_of_a_key():
    assert fingerprint(HOST_KEY) == EXPECTED
    assert fingerprint("nonsense") == ""

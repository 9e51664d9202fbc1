"""A way into a machine by SSH: the system's own client, one connection for all commands.

Sources: ssh(1), ssh_config(5), sshd(8) section "SSH_KNOWN_HOSTS FILE FORMAT", of OpenSSH 9.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import shlex
import shutil
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ephemeral_castle.errors import CastleError, Denied, Unreachable
from ephemeral_castle.world.memory_files import memory_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ephemeral_castle.spi.secret import Secret
    from ephemeral_castle.spi.world import Exec, Process, Result

CONNECT_TIMEOUT = 5  # seconds
SSH_FAILED = 255
ALIAS = "castle-machine"  # the name under which the host key is known: addresses change in every life


@dataclass(frozen=True)
class SshPeer:
    """Who is called.

    Attributes:
        address: host or IP.
        user: account there.
        host_key: the public key that must answer, "ssh-ed25519 AAAA... [comment]".
        port: TCP port.
    """

    address: str
    user: str
    host_key: str
    port: int = 22

    @property
    def fingerprint(self) -> str:
        """SHA256 of the key, as ssh prints it."""
        return fingerprint(self.host_key)


def fingerprint(public_key: str) -> str:
    """The SHA256 fingerprint of a public key line ("" when it is none), as ssh-keygen(1) -l gives it."""
    parts = public_key.split()
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except (IndexError, ValueError):
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


class SshTransport:
    """Implements `spi.world.Transport`.

    The private key is a file in memory for the time of the handshake only; commands share the connection that stands
    afterwards. sshd lets ten of them run at once (MaxSessions).

    Args:
        exec_: starts ssh.
        peer: who is called, and the key that must answer.
        key: the private key.
        enter: puts the way into the castle's network namespace before a command line.
    """

    def __init__(
        self, exec_: Exec, peer: SshPeer, key: Secret, enter: Callable[[Sequence[str]], list[str]] = list
    ) -> None:
        self._exec = exec_
        self._peer = peer
        self._key = key
        self._enter = enter
        self._directory: Path | None = None
        self._gate = asyncio.Lock()

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """Runs a command on the machine to its end; the account's shell there sees it quoted.

        Raises:
            Unreachable: nobody answers, the connection broke, or the time was up.
            Denied: another host key answered (both are named), or our key is refused.
        """
        await self._connect()
        result = await self._exec.run(self._command(argv), stdin=stdin, timeout=timeout)
        # 255 is ssh's own failure, or that of a command which ended so.
        if result.code == SSH_FAILED and (_refused_session(result.err) or not await self._connected()):
            raise Unreachable("the connection to the machine broke", where=self._where, why=result.last_words(1))
        return result

    async def spawn(self, argv: Sequence[str]) -> Process:
        """Starts a command on the machine and keeps standard input and output open.

        Raises:
            Unreachable: nobody answers. Denied: as in `run`.
        """
        await self._connect()
        return await self._exec.spawn(self._command(argv))

    async def close(self) -> None:
        """Ends the connection and all that runs over it."""
        if self._directory is not None:
            await self._exec.run(self._control("exit"), timeout=CONNECT_TIMEOUT)
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    @property
    def _where(self) -> str:
        return f"{self._peer.user}@{self._peer.address}:{self._peer.port}"

    def _socket(self) -> Path:
        if self._directory is None:
            self._directory = memory_directory("ssh")
            weakref.finalize(self, shutil.rmtree, self._directory, ignore_errors=True)
        return self._directory / "control"

    def _ssh(self, *options: str) -> list[str]:
        return ["ssh", "-F", "/dev/null", "-o", f"ControlPath={self._socket()}", "-o", "BatchMode=yes", *options]

    def _target(self) -> list[str]:
        return ["-p", str(self._peer.port), "-l", self._peer.user, "--", self._peer.address]

    def _command(self, argv: Sequence[str]) -> list[str]:
        # Without a connection ssh would call again, with whatever keys it finds: the proxy command forbids it.
        options = ("-o", "ControlMaster=no", "-o", "ProxyCommand=false", "-o", "EscapeChar=none", "-T")
        return self._enter([*self._ssh(*options), *self._target(), shlex.join(argv)])

    def _control(self, word: str) -> list[str]:
        return self._ssh("-O", word, *self._target())

    async def _connected(self) -> bool:
        if not self._socket().exists():
            return False
        return (await self._exec.run(self._control("check"), timeout=CONNECT_TIMEOUT)).ok

    async def _connect(self) -> None:
        async with self._gate:
            if self._socket().exists():
                return  # one that broke is noticed by the next command, and its socket goes with it
            directory = self._socket().parent
            key, known = directory / "key", directory / "known_hosts"
            known.write_text(f"{ALIAS} {' '.join(self._peer.host_key.split()[:2])}\n")
            key.touch(mode=0o600)
            try:
                key.write_text(self._key.reveal().rstrip("\n") + "\n")
                result = await self._exec.run(self._master(key, known), timeout=CONNECT_TIMEOUT * 3)
            finally:
                key.unlink()
            if not result.ok:
                raise self._failure(result.err)

    def _master(self, key: Path, known: Path) -> list[str]:
        options = {
            "ControlMaster": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(known),
            "GlobalKnownHostsFile": "/dev/null",
            "HostKeyAlias": ALIAS,
            "CheckHostIP": "no",
            "UpdateHostKeys": "no",
            "IdentitiesOnly": "yes",
            "IdentityFile": str(key),
            "IdentityAgent": "none",
            "PreferredAuthentications": "publickey",
            "ConnectTimeout": str(CONNECT_TIMEOUT),
            "ServerAliveInterval": "5",
            "ServerAliveCountMax": "3",
        }
        flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        return self._enter([*self._ssh("-f", "-N", *flags), *self._target()])

    def _failure(self, said: str) -> CastleError:
        last = said.strip().splitlines()[-1] if said.strip() else "ssh said nothing"
        if "Host key verification failed" in said:
            found = re.search(r"SHA256:[A-Za-z0-9+/]+", said)
            offered = found.group() if found else "a key of another type"
            return Denied(
                "another host key answered",
                where=self._where,
                why=f"expected {self._peer.fingerprint}, offered {offered}",
                state="nothing was sent to that machine",
                hints=("find out which machine has this address before you go on",),
            )
        if "Permission denied" in said:
            return Denied("the machine refuses our key", where=self._where, why=last)
        return Unreachable("the machine does not answer", where=self._where, why=last)


def _refused_session(said: str) -> bool:
    return "Session open refused" in said

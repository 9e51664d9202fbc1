"""The repository where people push to: which revisions it has, and bringing them here.

Credentials reach git and ssh through files in memory only, whose names alone stand in arguments and environment.
Sources: git-fetch(1), git-ls-remote(1), gitcredentials(7), ssh_config(5).
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ephemeral_castle.errors import CastleError, NotFound, Refused, Unreachable
from ephemeral_castle.model.giturl import Address, address_of
from ephemeral_castle.world.git_words import failure, is_unadvertised
from ephemeral_castle.world.memory_files import memory_file
from ephemeral_castle.world.ssh_transport import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ephemeral_castle.model.castle import Repository
    from ephemeral_castle.spi.secret import SecretSource
    from ephemeral_castle.world.git_cache import Answer, GitCache

CONNECT = 5  # seconds
ANSWER = 15.0  # seconds until the list of revisions must be here
STALLED = 60  # seconds without a byte that end a transfer; a host that packs for long says so every few seconds
TRANSFER = 3600.0  # seconds until all of it must be here, at the most: a step that waits for it has its own deadline
ALIVE = 5  # seconds between two questions whether an SSH host is there
ALIAS = "castle-repository"  # the name under which the host key is known
ACCOUNT = "git"  # where the address names none: hosts that take tokens do not look at it


class GitRemote:
    """The repository of the definition.

    Args:
        repository: address, and names of the secrets that open it.
        secrets: gives them.
        cache: where it is brought.
    """

    def __init__(self, repository: Repository, secrets: SecretSource, cache: GitCache) -> None:
        self._repository = repository
        self._secrets = secrets
        self._cache = cache
        self.address: Address = address_of(repository.url)

    @property
    def where(self) -> str:
        """The address, for people."""
        return self.address.url

    async def refs(self) -> Mapping[str, str]:
        """Branches and tags by their whole names; `NAME^{}` is what an annotated tag leads to.

        Raises:
            Unreachable, Denied, NotFound, Refused: as the host says, or does not.
        """
        answer = await self._git(ANSWER, "ls-remote", "--quiet", "--heads", "--tags", "--", self.where)
        if answer.code:
            raise await self._failure(answer.err)
        lines = [line.split("\t", 1) for line in answer.text.splitlines() if "\t" in line]
        if any(len(sha) != 40 for sha, _ in lines):
            raise Refused(
                "the repository counts its objects by SHA-256",
                where=self.where,
                why="castle reads repositories with SHA-1 names, which is what every host makes unless told otherwise",
            )
        return {name: sha for sha, name in lines}

    async def fetch(self, *refspecs: str) -> bool:
        """Brings revisions here with all their history.

        Args:
            refspecs: git-fetch(1), "<refspec>"; never from a person.

        Returns:
            False when the host answered that it does not hand them out.

        Raises:
            Unreachable, Denied, Refused, Damaged: as the host says, or does not.
        """
        flags = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--force", "--prune")
        answer = await self._git(TRANSFER, "fetch", *flags, "--", self.where, *refspecs)
        if answer.code and is_unadvertised(answer.err):
            return False
        if answer.code:
            raise await self._failure(answer.err)
        return True

    async def _git(self, timeout: float, *args: str) -> Answer:
        with ExitStack() as files:
            settings, env = await self._way(files)
            try:
                return await self._cache.git(*args, settings=settings, env=env, timeout=timeout)
            except Unreachable as late:
                raise Unreachable(
                    "the repository does not answer", where=self.where, why=f"{args[0]}: {late.why}"
                ) from None

    async def _way(self, files: ExitStack) -> tuple[list[str], dict[str, str]]:
        """Settings and environment by which git reaches the host, and nothing else."""
        kind = self.address.kind
        settings = [f"protocol.{kind}.allow=always"]
        if kind == "ssh":
            return settings, {"GIT_SSH_COMMAND": await self._ssh(files), "GIT_SSH_VARIANT": "ssh"}
        if kind == "https":
            settings += await self._https(files)
        return settings, {}

    async def _https(self, files: ExitStack) -> list[str]:
        settings = ["http.sslVerify=true", "http.lowSpeedLimit=1", f"http.lowSpeedTime={STALLED}"]
        if self._repository.ca:
            if not await asyncio.to_thread(Path(self._repository.ca).is_file):
                raise NotFound("the CA of the repository's host is not there", where=self._repository.ca)
            settings.append(f"http.sslCAInfo={self._repository.ca}")
        if not self._repository.token:
            return settings
        token = await self._secret(self._repository.token)
        if "\n" in token or "\r" in token:
            raise Refused(f"the secret `{self._repository.token}` is no token", why="it has several lines")
        account = self.address.user or ACCOUNT
        path = files.enter_context(memory_file("git-token", f"username={account}\npassword={token}\n"))
        port = f":{self.address.port}" if self.address.port else ""
        # Only this host is told, also when it sends git elsewhere.
        return [*settings, f"credential.https://{self.address.host}{port}.helper=!f() {{ cat {path}; }}; f"]

    async def _ssh(self, files: ExitStack) -> str:
        key = await self._secret(self._repository.key)
        if not key.lstrip().startswith("-----BEGIN "):
            raise Refused(
                f"the secret `{self._repository.key}` is no private key",
                why="expected a text that begins with -----BEGIN",
                hints=["store the whole key file, made by: ssh-keygen -t ed25519 -N ''"],
            )
        known = "".join(f"{ALIAS} {host_key}\n" for host_key in self._repository.host_keys)
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": files.enter_context(memory_file("git-hosts", known)),
            "GlobalKnownHostsFile": "/dev/null",
            "HostKeyAlias": ALIAS,
            "CheckHostIP": "no",
            "UpdateHostKeys": "no",
            "IdentitiesOnly": "yes",
            "IdentityFile": files.enter_context(memory_file("git-key", key.strip() + "\n")),
            "IdentityAgent": "none",
            "PreferredAuthentications": "publickey",
            "ForwardAgent": "no",
            "ControlPath": "none",
            "ConnectTimeout": str(CONNECT),
            "ServerAliveInterval": str(ALIVE),
            "ServerAliveCountMax": str(STALLED // ALIVE),
        }
        flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        return shlex.join(["ssh", "-F", "/dev/null", *flags])

    async def _secret(self, name: str) -> str:
        found = await self._secrets.get(name)
        if found is None:
            raise NotFound(
                f"there is no secret `{name}`",
                where=self.where,
                why="the repository is opened with it",
                hints=[f'write it into the key file, under [secrets]: "{name}" = ...'],
            )
        return found.reveal()

    async def _failure(self, said: str) -> CastleError:
        secret = ""
        if self._repository.token:
            with contextlib.suppress(CastleError):
                secret = await self._secret(self._repository.token)
        expected = ", ".join(map(fingerprint, self._repository.host_keys))
        return failure(said, self.where, host_keys=expected, secret=secret)

"""The castle's own copy of its repository on this computer: a bare repository that no person works in.

It can be thrown away at any time. Nothing in it and nothing on this computer may make git start a program: no hooks,
no configuration of system or user, no helper that was not named here.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ephemeral_castle.errors import Damaged, NotFound, Refused
from ephemeral_castle.world.exec import base_environment
from ephemeral_castle.world.git_tree import parse_blobs, parse_listing
from ephemeral_castle.world.git_words import failure, is_local_damage, last_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ephemeral_castle.world.exec import LocalExec
    from ephemeral_castle.world.git_tree import Entry

LOCAL = 120.0  # seconds for a command that asks nobody
MOST_PACKS = 60  # every fetch adds a pack; beyond that they are made one
ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "/bin/false",
    "SSH_ASKPASS_REQUIRE": "never",
    "HOME": "/nonexistent",  # curl would read .netrc there
    "LC_ALL": "C",
}
SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "credential.helper=",
    "fetch.fsckObjects=true",
    "transfer.fsckObjects=true",
    "fetch.recurseSubmodules=false",
    "submodule.recurse=false",
    "fetch.unpackLimit=1",  # a pack arrives as a whole or not at all
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.allow=never",
    "i18n.logOutputEncoding=UTF-8",
    "log.showSignature=false",
)
COMMITS = "refs/castle/commits"  # a commit that is named here is here with all its history


class CacheBroken(Damaged):
    """Castle's own copy on this computer is broken: it is thrown away and made again."""


def require_git() -> None:
    """Looks for the program.

    Raises:
        NotFound: it is missing; the hint is the command that installs it.
    """
    if shutil.which("git", path=base_environment()["PATH"]) is None:
        raise NotFound(
            "git is not installed",
            why="the definition names a repository, and castle reads it with the program git",
            state="nothing was changed",
            hints=["apt-get install --no-install-recommends git"],
        )


@dataclass(frozen=True)
class Answer:
    """A finished command of git."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """Standard output as text without its last line end."""
        return self.out.decode(errors="replace").removesuffix("\n")


class GitCache:
    """A bare repository below a directory of mode 0700.

    Args:
        exec_: starts git.
        home: directory of all copies of this castle.
        url: address of the repository: another one has another copy.
    """

    def __init__(self, exec_: LocalExec, home: Path, url: str) -> None:
        self._exec = exec_
        self.home = home
        self.directory = home / hashlib.sha256(url.encode()).hexdigest()[:16]
        self._listings: dict[str, list[Entry]] = {}

    async def ensure(self) -> None:
        """Makes it when it is missing, and removes what a git that was killed left behind; others are locked out."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.home.chmod(0o700)
        if (self.directory / "castle-made").exists():
            for left in ("*.lock", "refs/**/*.lock", "objects/pack/tmp_*", "*.bundle"):
                for file in self.directory.glob(left):
                    file.unlink()
            return
        self.drop()
        made = await self.git("init", "--quiet", "--bare", "--template=", "--initial-branch=none", str(self.directory))
        if made.code:
            raise failure(made.err, str(self.directory))
        (self.directory / "castle-made").touch()

    def drop(self) -> None:
        """Throws it away; copies of repositories that the definition named earlier go with it."""
        self._listings.clear()
        for old in self.home.glob("*/"):
            shutil.rmtree(old)

    async def git(
        self,
        *args: str,
        settings: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        timeout: float = LOCAL,
    ) -> Answer:
        """Runs git on it.

        Args:
            args: command and arguments; never a secret.
            settings: `name=value`, besides SETTINGS.
            env: besides ENVIRONMENT.
            stdin: what it reads.
            timeout: seconds.

        Raises:
            Unreachable: it did not end in time. CacheBroken: the copy itself is broken.
        """
        flags = [part for setting in (*SETTINGS, *settings) for part in ("-c", setting)]
        argv = ["git", f"--git-dir={self.directory}", *flags, *args]
        code, out, err = await self._exec.capture(
            argv, stdin=stdin, env={**ENVIRONMENT, **(env or {})}, timeout=timeout
        )
        said = err.decode(errors="replace")
        if code and is_local_damage(said, str(self.directory)):
            raise self._broken(last_words(said))
        return Answer(code, out, said)

    def _broken(self, why: str) -> CacheBroken:
        return CacheBroken("castle's copy of the repository is broken", where=str(self.directory), why=why)

    async def has(self, sha: str) -> bool:
        """Whether the commit is here with all its history."""
        found = await self.git("rev-parse", "--verify", "--quiet", f"{COMMITS}/{sha}")
        return found.code == 0 and found.text == sha

    def was_listed(self, sha: str) -> bool:
        """Whether this process has its listing. A copy that lost the commit since says so when a file is read."""
        return sha in self._listings

    async def name(self, revision: str) -> str:
        """Notes that a revision, just fetched, is here with all its history; gives the id of its commit.

        Raises:
            Refused: it is no commit.
        """
        found = await self.git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        sha = found.text
        if found.code or not sha:
            raise Refused("what the repository has under this name is no commit", why="it is a file or a folder")
        noted = await self.git("update-ref", f"{COMMITS}/{sha}", sha)
        if noted.code:
            raise failure(noted.err, str(self.directory))
        if sum(1 for _ in self.directory.glob("objects/pack/*.pack")) > MOST_PACKS:
            await self.git("repack", "-a", "-d", "-q")
        return sha

    async def goes_on_from(self, old: str, new: str) -> bool:
        """Whether `old` is in the history of `new`, which is here."""
        return (await self.git("merge-base", "--is-ancestor", old, new)).code == 0

    async def names_lead_to(self, sha: str) -> bool:
        """Whether a branch or tag that was brought leads to the commit."""
        names = ("refs/castle/heads", "refs/castle/tags")
        found = await self.git("for-each-ref", "--count=1", f"--contains={sha}", *names)
        return found.code == 0 and bool(found.out)

    async def told(self, sha: str) -> tuple[str, float]:
        """First line of a commit's message, and when it was made (Unix seconds)."""
        found = await self.git("log", "-1", "--no-color", "--format=%ct%n%s", "--end-of-options", sha)
        when, _, subject = found.text.partition("\n")
        return last_words(subject)[:200], float(when) if when.isdigit() else 0.0

    async def listing(self, sha: str) -> list[Entry]:
        """Every file of a commit that is here.

        Raises:
            Refused: a name that is no text. CacheBroken: part of it is missing.
        """
        if sha not in self._listings:
            found = await self.git("ls-tree", "-r", "-z", "-l", "--full-tree", "--end-of-options", f"{sha}^{{tree}}")
            if found.code:
                raise self._broken(last_words(found.err))
            self._listings[sha] = parse_listing(found.out)
        return self._listings[sha]

    async def blobs(self, shas: Sequence[str]) -> dict[str, bytes]:
        """Contents by id, of objects that are here.

        Raises:
            CacheBroken: one is missing, or is not what its id says.
        """
        if not shas:
            return {}
        asked = "".join(f"{sha}\n" for sha in shas).encode()
        found = await self.git("cat-file", "--batch", stdin=asked)
        try:
            return parse_blobs(found.out, shas)
        except Damaged as error:
            raise self._broken(f"object {error.where}: {error.why}") from None

    async def bundle(self, sha: str, largest: int) -> bytes | int:
        """A commit with all its history as one file; its size in bytes when it is larger than `largest`."""
        file = self.directory / "outgoing.bundle"
        try:
            made = await self.git("bundle", "create", "--quiet", str(file), f"{COMMITS}/{sha}")
            if made.code:
                raise failure(made.err, str(self.directory))
            size = file.stat().st_size
            return size if size > largest else file.read_bytes()
        finally:
            file.unlink(missing_ok=True)

    async def take(self, bundle: bytes, sha: str) -> None:
        """Takes over a commit from what `bundle` made.

        Raises:
            Damaged: the file is not whole, holds another commit, or objects that git refuses.
        """
        file = self.directory / "incoming.bundle"
        name = f"{COMMITS}/{sha}"
        try:
            file.write_bytes(bundle)
            verified = await self.git("bundle", "verify", "--quiet", str(file))
            if verified.code:
                raise Damaged("the copy of the repository is not whole", where=sha, why=last_words(verified.err))
            flags = ("--quiet", "--no-tags", "--no-write-fetch-head", "--force")
            settings = ("protocol.file.allow=always",)
            taken = await self.git("fetch", *flags, str(file), f"{name}:refs/castle/incoming", settings=settings)
            if taken.code:
                raise Damaged("the copy of the repository cannot be used", where=sha, why=last_words(taken.err))
        finally:
            file.unlink(missing_ok=True)
        whole = await self.git("fsck", "--no-dangling", "--no-progress")
        if whole.code:
            raise Damaged("the copy of the repository holds what git refuses", where=sha, why=last_words(whole.err))
        if await self.name("refs/castle/incoming") != sha:
            raise Damaged("the copy of the repository holds another commit", where=sha)

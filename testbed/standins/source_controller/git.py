"""A commit of a real Git server, fetched by the program `git`: over http, https and ssh, as Flux allows."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ..api import Object

Secret = Mapping[str, bytes]
SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
HEADS, TAGS = "refs/heads/", "refs/tags/"
UNPLAYED = ("semver",)  # of `spec.ref`


class GitError(Exception):
    """The server, or git, said no."""


class Malformed(Exception):
    """The Secret cannot open this address."""


@dataclass(frozen=True)
class Commit:
    """What was checked out.

    Attributes:
        sha: whole id.
        reference: whole name of branch or tag, "" where only the commit was asked for.
        subject: first line of its message.
    """

    sha: str
    reference: str
    subject: str

    def revision(self, *, absolute: bool) -> str:
        """As Flux writes it. `absolute`: with the whole name, as for `spec.ref.name`."""
        name = self.reference if absolute else self.reference.removeprefix(HEADS).removeprefix(TAGS)
        return f"{name}@sha1:{self.sha}" if name else f"sha1:{self.sha}"


@dataclass(frozen=True)
class Wanted:
    """What `spec.ref` asks for. `commit`: "" for the newest; `reference`: whole name, "" for none."""

    commit: str
    reference: str

    @classmethod
    def of(cls, ref: Object) -> Wanted:
        """From the object. Raises GitError: something that is not played here."""
        strange = [key for key in UNPLAYED if ref.get(key)]
        if strange:
            raise GitError(f"this stand-in does not know `spec.ref.{strange[0]}`")
        if ref.get("commit"):
            return cls(str(ref["commit"]), f"{HEADS}{ref['branch']}" if ref.get("branch") else "")
        if ref.get("name"):
            return cls("", str(ref["name"]))
        if ref.get("tag"):
            return cls("", f"{TAGS}{ref['tag']}")
        return cls("", f"{HEADS}{ref.get('branch') or 'master'}")


class Git:
    """One address and what opens it.

    Args:
        url: of the repository.
        secret: data of the Secret, decoded; empty without one.
        timeout: seconds for each command.
    """

    def __init__(self, url: str, secret: Secret, timeout: float = 60.0) -> None:
        self.url, self.timeout = url, timeout
        self.secret = {key: value.decode(errors="replace") for key, value in secret.items()}
        self.scheme = urlsplit(url).scheme
        _check(self.scheme, self.secret)

    def head(self, reference: str) -> str:
        """The commit that a branch or tag means now; "" where the server has none such."""
        with self._room() as (room, env):
            said = self._git(room, env, "ls-remote", self.url, reference, f"{reference}^{{}}")
        pairs = (line.split("\t", 1) for line in said.splitlines() if "\t" in line)
        found = {name: sha for sha, name in pairs}
        return found.get(f"{reference}^{{}}") or found.get(reference, "")

    def checkout(self, wanted: Wanted, tree: Path) -> Commit | None:
        """Puts the files of a commit into a directory; None for an empty repository.

        Raises:
            GitError: with git's own words, and without a word of the Secret.
        """
        with self._room() as (room, env):
            if not self._git(room, env, "ls-remote", self.url).strip():
                return None
            self._git(room, env, "init", "--quiet", str(tree))
            sha = self._fetched(tree, env, wanted)
            self._git(tree, env, "-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", sha)
            subject = self._git(tree, env, "log", "-1", "--format=%s", sha).strip()
        return Commit(sha, wanted.reference, subject)

    def _fetched(self, tree: Path, env: Mapping[str, str], wanted: Wanted) -> str:
        fetch = ("fetch", "--quiet", "--no-tags", self.url)
        if not wanted.commit:
            self._git(tree, env, *fetch[:2], "--depth=1", *fetch[2:], f"+{wanted.reference}:refs/standin/wanted")
            return self._git(tree, env, "rev-parse", "refs/standin/wanted^{commit}").strip()
        if not SHA.fullmatch(wanted.commit):
            raise GitError(f"`{wanted.commit}` is no whole commit id")
        # Many servers give a commit by its name only: so all of the branch, or of everything, and then the commit.
        names = [f"+{wanted.reference}:refs/standin/wanted"] if wanted.reference else ["+refs/*:refs/standin/*"]
        self._git(tree, env, *fetch, *names)
        try:
            self._git(tree, env, "cat-file", "-e", f"{wanted.commit}^{{commit}}")
        except GitError:
            raise GitError(f"commit '{wanted.commit}' not found") from None
        return wanted.commit

    def _git(self, folder: Path, env: Mapping[str, str], *arguments: str) -> str:
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), *arguments], env=dict(env), stdin=subprocess.DEVNULL, capture_output=True,
                check=False, timeout=self.timeout,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise GitError(f"context deadline exceeded after {self.timeout:g} s") from None
        if done.returncode != 0:
            raise GitError(self._hidden(" ".join(done.stderr.decode(errors="replace").split())[-600:]))
        return done.stdout.decode(errors="replace")

    def _hidden(self, text: str) -> str:
        for value in filter(None, self.secret.values()):
            text = text.replace(value, "***")
        return text

    @contextmanager
    def _room(self) -> Iterator[tuple[Path, dict[str, str]]]:
        """A directory for key files, and the environment that leads git to them; both end here."""
        with tempfile.TemporaryDirectory(prefix="git.") as made:
            room = Path(made)
            env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": made, "GIT_TERMINAL_PROMPT": "0",
                   "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}  # fmt: skip
            yield room, {**env, **self._opened(room)}

    def _opened(self, room: Path) -> dict[str, str]:
        if self.scheme == "ssh":
            return {"GIT_SSH_COMMAND": self._ssh(room)}
        said: list[tuple[str, str]] = []
        header = self._header()
        if header:
            said.append(("http.extraHeader", f"Authorization: {header}"))
        ca = self.secret.get("ca.crt") or self.secret.get("caFile")
        if ca:
            said.append(("http.sslCAInfo", str(_file(room / "ca.crt", ca))))
        env = {"GIT_CONFIG_COUNT": str(len(said))}
        for number, (key, value) in enumerate(said):
            env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return env

    def _header(self) -> str:
        if self.secret.get("bearerToken"):
            return f"Bearer {self.secret['bearerToken'].strip()}"
        if self.secret.get("username") or self.secret.get("password"):
            pair = f"{self.secret.get('username', '')}:{self.secret.get('password', '')}"
            return f"Basic {base64.b64encode(pair.encode()).decode()}"
        return ""

    def _ssh(self, room: Path) -> str:
        identity = _file(room / "identity", self.secret["identity"].rstrip() + "\n")
        hosts = _file(room / "known_hosts", self.secret["known_hosts"])
        return (
            f"ssh -F none -i {identity} -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes "
            f"-o UserKnownHostsFile={hosts} -o GlobalKnownHostsFile=none"
        )


def _check(scheme: str, secret: Mapping[str, str]) -> None:
    if scheme not in ("http", "https", "ssh"):
        raise Malformed(f"no support for git URL scheme {scheme!r}")
    missing = [key for key in ("identity", "known_hosts") if scheme == "ssh" and not secret.get(key)]
    if missing:
        raise Malformed(f"invalid '{scheme}' auth option: '{missing[0]}' is required")


def _file(path: Path, text: str) -> Path:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return path

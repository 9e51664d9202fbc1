"""The treasury of `treasury: {server: here}`: versitygw beside the machines, outside their life.

Source: versitygw 1.8.0, `versitygw --help` and cmd/versitygw/main.go. It does not fsync: what it acknowledged survives
the end of its process, not a power cut; `sync()` closes that gap where it matters.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from ephemeral_castle.errors import NotFound, Permanent, Unreachable
from ephemeral_castle.world.flock import locked
from ephemeral_castle.world.objects import S3Objects
from ephemeral_castle.world.pidfile import ProcessMark
from ephemeral_castle.world.s3 import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ephemeral_castle.spi.world import Clock
    from ephemeral_castle.world.certificates import Issued
    from ephemeral_castle.world.sigv4 import Credentials

BINARY = "versitygw"
VERSION = "1.8.0"
CACHE = Path("/var/cache/ephemeral-castle/bin")
START_DEADLINE = 10.0  # seconds
LOG_LIMIT = 1 << 20  # bytes; a longer log is begun anew at the next start


def find_versitygw(cache: Path = CACHE) -> str:
    """Path of the server's program: the pinned one in the cache, else one on PATH.

    Raises:
        NotFound: neither is there.
    """
    pinned = cache / f"{BINARY}-{VERSION}"
    if os.access(pinned, os.X_OK):
        return str(pinned)
    found = shutil.which(BINARY)
    if found is None:
        raise NotFound(
            f"{BINARY} {VERSION} is not on this computer",
            where=str(pinned),
            why="the treasury that castle keeps itself needs it",
            hints=("make prefetch",),
        )
    return found


@dataclass(frozen=True)
class Place:
    """Where the server lives.

    Attributes:
        state: directory of objects, versions, accounts, certificates and log; kept over lives.
        runtime: directory of the pid file; may vanish with a reboot.
        host: address to listen on, as machines see it.
        port: port to listen on.
        reach: host and port by which this process reaches it, where a forwarder stands between; None = the same.
        name: host name by which machines know it.
    """

    state: Path
    runtime: Path
    host: str
    port: int
    reach: tuple[str, int] | None = None
    name: str = "treasury.castle"


def _as_given(argv: Sequence[str]) -> list[str]:
    return list(argv)


class LocalTreasury:
    """One versitygw process. The root key reaches it by its environment only.

    Args:
        place: where it lives.
        credentials: the custodian's key; the server takes it as its root account.
        clock: for deadlines and certificate dates.
        enter: makes the command line that runs the server in the castle's network namespace.
        binary: path of versitygw; "" = look for it.
        start_deadline: seconds until a started server must answer.
    """

    def __init__(
        self,
        place: Place,
        credentials: Credentials,
        clock: Clock,
        *,
        enter: Callable[[Sequence[str]], list[str]] = _as_given,
        binary: str = "",
        start_deadline: float = START_DEADLINE,
    ) -> None:
        self.place = place
        self._credentials = credentials
        self._clock = clock
        self._enter = enter
        self._binary = binary
        self._start_deadline = start_deadline
        self._mark_file = place.runtime / "treasury.pid"
        self._log = place.state / "server.log"

    @property
    def names(self) -> list[str]:
        """Names of the server certificate: as machines, people and the castle itself call the server."""
        return list(dict.fromkeys([self.place.name, "localhost", "127.0.0.1", self.place.host]))

    @property
    def url(self) -> str:
        """The endpoint as this process reaches it."""
        host, port = self.place.reach or (self.place.host, self.place.port)
        return f"https://{host}:{port}"

    @property
    def ca(self) -> str:
        """PEM text of the authority; "" before the first `ensure()`."""
        path = self.place.state / "tls" / "ca.pem"
        return path.read_text() if path.exists() else ""

    def objects(self, bucket: str, prefix: str = "") -> S3Objects:
        """The bucket with the custodian's key, over connections of its own: close it."""
        return S3Objects(Endpoint(self.url, bucket, prefix, ca=self.ca), self._credentials, self._clock)

    @property
    def runs(self) -> bool:
        """Whether our process runs and once had a certificate; whether it answers, its first request will tell."""
        mark = ProcessMark.read(self._mark_file)
        return mark is not None and mark.alive and bool(self.ca)

    async def alive(self) -> bool:
        """Whether our process runs and answers by TLS with our certificate."""
        return self.runs and await self._answers() is None

    async def ensure(self) -> bool:
        """Makes sure that it runs, with valid certificates and as it is configured now; gives whether it was started.

        Raises:
            NotFound: versitygw is not installed.
            Permanent: it does not start; `why` has its last words.
            Unreachable: it runs and does not answer within the deadline.
        """
        from ephemeral_castle.world.certificates import ensure_certificates  # cryptography: 20 ms

        for part in ("store", "versions", "iam"):
            (self.place.state / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        self.place.state.chmod(0o700)
        self.place.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with locked(self.place.runtime / "treasury.lock"):
            issued = ensure_certificates(self.place.state / "tls", self.names, self._clock.now())
            argv = self._argv(issued)
            digest = self._digest(argv)
            mark = ProcessMark.read(self._mark_file)
            if mark is not None and mark.alive:
                if mark.command == digest and not issued.changed:
                    await self._until_it_answers(mark)
                    return False
                await mark.end(self._clock)
            await self._until_it_answers(self._start(argv, digest))
            return True

    async def stop(self) -> None:
        """Ends the server; objects stay."""
        mark = ProcessMark.read(self._mark_file)
        if mark is not None:
            await mark.end(self._clock)
        self._mark_file.unlink(missing_ok=True)

    async def create_bucket(self, bucket: str) -> bool:
        """Makes the bucket when it is missing, and has it keep versions; gives whether it was made."""
        async with self.objects(bucket) as objects:
            created = await objects.ensure_bucket()
            if not await objects.versioning():
                await objects.enable_versioning()
            return created

    async def sync(self, since: float = 0.0) -> int:
        """Brings acknowledged objects to the disk itself; gives how many files it was.

        Args:
            since: only what changed after this time, Unix seconds.

        Raises:
            Permanent: the disk reports an error.
        """
        return await asyncio.to_thread(self._sync_files, since)

    def _sync_files(self, since: float) -> int:
        return sum(_sync_tree(str(self.place.state / part), since) for part in ("store", "versions", "iam"))

    def _argv(self, issued: Issued) -> list[str]:
        state = self.place.state.absolute()  # it changes its directory, so every path is absolute
        server = [self._binary or find_versitygw(), "--port", f"{self.place.host}:{self.place.port}"]
        server += ["--cert", str(issued.chain.absolute()), "--key", str(issued.key.absolute())]
        # Without keep-alive every request pays a TLS handshake. Without accounts in a directory an unknown key gets
        # 404, which readers take for "no such object". With its account cache a request that looks a key up while the
        # key is being revoked puts it back for two minutes.
        server += ["--quiet", "--keep-alive", "--iam-dir", str(state / "iam"), "--iam-cache-disable"]
        server += ["posix", "--versioning-dir", str(state / "versions"), str(state / "store")]
        return self._enter(server)

    def _digest(self, argv: Sequence[str]) -> str:
        # The keys are part of how it was started: after a change of the key file the old process must go. Only a
        # digest with the secret inside reaches the pid file.
        key = f"{self._credentials.access_key}\0{self._credentials.secret_key.reveal()}"
        salt = hashlib.sha256("\0".join(argv).encode()).digest()
        return hashlib.scrypt(key.encode(), salt=salt, n=2**12, r=8, p=1, dklen=16).hex()

    def _start(self, argv: Sequence[str], digest: str) -> ProcessMark:
        if self._log.exists() and self._log.stat().st_size > LOG_LIMIT:
            self._log.unlink()
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "ROOT_ACCESS_KEY": self._credentials.access_key,
            "ROOT_SECRET_KEY": self._credentials.secret_key.reveal(),
        }
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            program = shutil.which(argv[0]) or argv[0]
            # Not subprocess: the server must outlive this process and its event loop, in a session of its own.
            pid = os.posix_spawn(
                program,
                list(argv),
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                ],
                setsid=True,
            )
        except OSError as error:
            raise self._did_not_start(str(error)) from error
        finally:
            os.close(log)
        mark = ProcessMark.of(pid, digest)
        if mark is None:
            raise self._did_not_start(self._last_words())
        mark.write(self._mark_file)
        return mark

    async def _until_it_answers(self, mark: ProcessMark) -> None:
        deadline = self._clock.monotonic() + self._start_deadline
        while (why := await self._answers()) is not None:
            if not mark.alive:
                raise self._did_not_start(self._last_words())
            if self._clock.monotonic() >= deadline:
                raise Unreachable(
                    "the treasury server runs and does not answer",
                    where=self.url,
                    why=f"{why}; its last words: {self._last_words()}",
                    hints=(f"read {self._log}", "castle doctor"),
                )
            await self._clock.sleep(0.03)

    async def _answers(self) -> str | None:
        context = ssl.create_default_context(cadata=self.ca)
        try:
            async with httpx.AsyncClient(verify=context, timeout=2.0, trust_env=False) as client:
                await client.head(self.url)
        except httpx.TransportError as error:
            return str(error) or type(error).__name__
        return None

    def _did_not_start(self, why: str) -> Permanent:
        taken = "address already in use" in why
        hint = f"give another `treasury.port` than {self.place.port}" if taken else f"read {self._log}"
        return Permanent(
            "the treasury server does not start",
            where=f"{self.place.host}:{self.place.port}",
            why=why,
            state="its objects are untouched",
            hints=(hint, "castle doctor"),
        )

    def _last_words(self, lines: int = 3) -> str:
        try:
            text = self._log.read_text(errors="replace")
        except OSError:
            return "none"
        said = [line.strip() for line in text.splitlines() if line.strip()]
        return " / ".join(said[-lines:]) or "none"


def _sync_tree(folder: str, since: float) -> int:
    """Syncs what changed below a directory, then the directory.

    A big repository is looked through while clients wait, so it is scandir and texts: a fifth of what Path takes.
    """
    synced = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    synced += _sync_tree(entry.path, since)
                elif _changed(entry, since):
                    synced += _sync(entry.path)
        return synced + (_sync(folder) if os.stat(folder).st_mtime >= since else 0)  # noqa: PTH116 - see above
    except FileNotFoundError:
        return synced


def _changed(entry: os.DirEntry[str], since: float) -> bool:
    try:
        return entry.stat(follow_symlinks=False).st_mtime >= since
    except FileNotFoundError:
        return False  # an object may vanish meanwhile


def _sync(path: str) -> bool:
    """fsync(2) of a file or directory; an object may vanish meanwhile."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        os.fsync(descriptor)
    except OSError as error:
        why = error.strerror or str(error)
        raise Permanent("the treasury's disk does not take the data", where=path, why=why) from error
    finally:
        os.close(descriptor)
    return True
